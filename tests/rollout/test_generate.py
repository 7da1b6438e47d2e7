from itertools import pairwise

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from groupthink.model.chat import Chat
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Problem
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import _watch, generate
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.torch_engine import TorchEngine
from tests.tiny import tiny

PROBLEMS = [Problem(id=f"t/{i}", task="t", prompt=f"Solve x^2-{i}x=0") for i in range(3)]
TOKENIZER = build_tokenizer()
CHAT = Chat(TOKENIZER)


def tokens(group):
    return [response.token_ids_T.tolist() for response in group.responses]


def test_a_group_for_each_problem_in_order():
    engine = TorchEngine(tiny("qwen3"), TOKENIZER)
    groups = generate(engine, CHAT, PROBLEMS, RolloutSettings(group_size=3, max_tokens=8), seed=1)
    assert [group.problem for group in groups] == PROBLEMS
    for group in groups:
        np.testing.assert_array_equal(group.prompt_ids, CHAT.encode(group.problem.prompt))
        assert len(group.responses) == 3


def test_what_is_drawn_for_a_problem_depends_on_the_seed_and_its_id():
    engine, sampling = TorchEngine(tiny("qwen3"), TOKENIZER), Sampling(8, n=2)
    groups = generate(engine, CHAT, PROBLEMS, sampling, seed=1)
    (alone,) = generate(engine, CHAT, PROBLEMS[2:], sampling, seed=1)
    (other,) = generate(engine, CHAT, PROBLEMS[2:], sampling, seed=2)
    assert tokens(alone) == tokens(groups[2]) != tokens(other)


@pytest.mark.fault("B10")
def test_who_watches_is_told_whole_characters_alone():
    """B10: of a character in several tokens nothing is shown until all of them are there."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(alphabet)}, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core)
    text, told = "x² 🙂 =é", []
    token_ids = tokenizer.encode(text)
    assert len(token_ids) == len(text.encode())
    _watch([(0, [token]) for token in token_ids], tokenizer, told.append)
    assert told[-1] == text and all(text.startswith(shown) for shown in told)
    assert sorted(set(told), key=len) == [text[: length + 1] for length in range(len(text))]
    _watch([(0, token_ids[:-1])], tokenizer, told.append)
    assert told[-1] == "x² 🙂 =\ufffd"  # it ended in the middle of one


def test_the_first_response_can_be_watched_as_it_is_written():
    engine, sampling = TorchEngine(tiny("qwen3"), TOKENIZER), Sampling(8, n=2)
    told = []
    groups = generate(engine, CHAT, PROBLEMS, sampling, seed=1, on_text=told.append)
    response = groups[0].responses[0]
    assert len(told) == len(response)
    assert told[-1] == TOKENIZER.decode(response.token_ids_T)
    assert all(later.startswith(earlier) for earlier, later in pairwise(told))
    assert tokens(groups[1]) == tokens(generate(engine, CHAT, PROBLEMS, sampling, seed=1)[1])
