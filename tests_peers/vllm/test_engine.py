"""The engine as its users see it, against the embedded one where both must give the same."""

from collections import Counter

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.chat import Chat
from groupthink.model.loading import load_model
from groupthink.rollout.engine import Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.vllm.engine import VllmEngine


@pytest.fixture(scope="module")
def prompts(tokenizer: PreTrainedTokenizerBase) -> list[np.ndarray]:
    chat = Chat(tokenizer)
    return [chat.encode(f"Solve x^2{b:+d}x{c:+d}=0") for b, c in ((-5, 6), (3, -40), (-9, 14), (1, -2))]


def tokens(responses) -> list[list[int]]:
    return [response.token_ids_T.tolist() for response in responses]


def test_a_group_is_what_its_seeds_say(engine: VllmEngine, prompts: list[np.ndarray]):
    sampling = Sampling(60, n=6)
    handles = [engine.submit(prompt, sampling, seed=i) for i, prompt in enumerate(prompts)]
    together = [handle.result() for handle in handles]
    assert [response.seed for response in together[1]] == [mix(1, j) for j in range(6)]
    assert len({tuple(ids) for ids in tokens(together[0])}) > 3
    alone = engine.submit(prompts[2], sampling, seed=2).result()
    assert tokens(alone) == tokens(together[2])
    assert tokens(engine.submit(prompts[2], sampling, seed=9).result()) != tokens(alone)
    first = engine.submit(prompts[2], Sampling(60, n=2), seed=2).result()
    assert tokens(first) == tokens(alone[:2])


def test_greedy_responses_are_the_embedded_engine_s(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompts: list[np.ndarray]
):
    sampling = Sampling(150, temperature=0, n=1)
    embedded = TorchEngine(load_model("nano"), tokenizer)
    ours, theirs = (
        [handle.result()[0] for handle in [each.submit(prompt, sampling, seed=0) for prompt in prompts]]
        for each in (engine, embedded)
    )
    assert {each.finish for each in ours} <= {"stop", "length"} and "stop" in {each.finish for each in ours}
    for one, other in zip(ours, theirs, strict=True):
        assert one.token_ids_T.tolist() == other.token_ids_T.tolist()
        assert (one.text, one.finish, one.seed) == (other.text, other.finish, other.seed)
        np.testing.assert_allclose(one.logprobs_T, other.logprobs_T, atol=5e-5)
        np.testing.assert_array_equal(one.drawn_logprobs_T, other.drawn_logprobs_T)
        for name in ("token_ids_T", "sampled_T", "logprobs_T", "drawn_logprobs_T", "versions_T"):
            assert getattr(one, name).dtype == getattr(other, name).dtype
    ending = next(each for each in ours if each.finish == "stop")
    assert ending.token_ids_T[-1] in engine.plan.stop_ids
    assert ending.text == tokenizer.decode(ending.token_ids_T[:-1])


def test_tokens_are_drawn_as_often_as_their_probabilities_say(engine: VllmEngine, prompts: list[np.ndarray]):
    n, begun = 4000, np.append(prompts[0], [5, 6, 7])  # after which much is likely
    responses = engine.submit(begun, Sampling(1, temperature=2.0, n=n), seed=4).result()
    law = {int(each.token_ids_T[0]): float(np.exp(each.logprobs_T[0])) for each in responses}
    drawn = Counter(int(each.token_ids_T[0]) for each in responses)
    often = {token: p for token, p in law.items() if n * p >= 5}
    chi_square = sum((drawn[token] - n * p) ** 2 / (n * p) for token, p in often.items())
    assert len(often) > 10 and sum(law.values()) > 0.95
    assert chi_square < len(often) + 4 * np.sqrt(2 * len(often))


def test_more_prompts_than_fit_into_a_step_are_answered(engine: VllmEngine, prompts: list[np.ndarray]):
    longer = np.tile(prompts[0], 20)
    handles = [engine.submit(np.roll(longer, i), Sampling(5, n=2), seed=i) for i in range(30)]
    assert sum(len(longer) for _ in handles) > 4096
    assert all(len(handle.result()) == 2 for handle in handles)


def test_a_group_shares_its_prompt(engine: VllmEngine, prompts: list[np.ndarray], monkeypatch: pytest.MonkeyPatch):
    engine.release()  # what earlier prompts have left would be shared, too
    cached: dict[str, int] = {}
    step = engine.core._engine.step

    def watched():
        outputs = step()
        cached.update({output.request_id: output.num_cached_tokens for output in outputs})
        return outputs

    monkeypatch.setattr(engine.core._engine, "step", watched)
    longer = np.tile(prompts[0], 5)
    engine.submit(longer, Sampling(3, n=4), seed=0).result()
    whole = len(longer) // 32 * 32
    assert sorted(cached.values()) == [0, whole, whole, whole]


def test_new_tokens_are_told_as_they_are_drawn(engine: VllmEngine, prompts: list[np.ndarray]):
    handle = engine.submit(prompts[0], Sampling(40, n=2), seed=1)
    other = engine.submit(prompts[1], Sampling(40, n=1), seed=2)
    for _ in range(3):
        engine.advance()
    told: dict[int, list[int]] = {0: [], 1: []}
    pieces = 0
    for j, new_ids in handle:
        told[j] += new_ids
        pieces += 1
    assert [told[0], told[1]] == tokens(handle.result())
    assert pieces > 10
    assert [token for _, ids in other for token in ids] == tokens(other.result())[0]
    assert list(handle) == list(enumerate(tokens(handle.result())))  # once more, at once


def test_a_cancelled_response_makes_way(engine: VllmEngine, prompts: list[np.ndarray]):
    handles = [engine.submit(prompt, Sampling(100, n=2), seed=5) for prompt in prompts]
    for _ in range(4):
        engine.advance()
    handles[1].cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        handles[1].result()
    rest = [tokens(handles[i].result()) for i in (0, 2, 3)]
    assert not engine.core.busy and not engine.requests
    assert rest[1] == tokens(engine.submit(prompts[2], Sampling(100, n=2), seed=5).result())
    handles[0].cancel()  # it has finished: nothing happens
    assert tokens(handles[0].result()) == rest[0]


def test_what_cannot_be_answered_is_refused(engine: VllmEngine, prompts: list[np.ndarray]):
    with pytest.raises(ValueError, match=r"top_p=0\.9.*rollout\.engine='torch'"):
        engine.submit(prompts[0], Sampling(5, top_p=0.9), seed=0)
    for temperature in (0.001, 2.5):
        with pytest.raises(ValueError, match="vLLM draws at 0"):
            engine.submit(prompts[0], Sampling(5, temperature=temperature), seed=0)
    with pytest.raises(ValueError, match="no tokens"):
        engine.submit(np.zeros(0, np.int64), Sampling(5), seed=0)
    with pytest.raises(ValueError, match="600 tokens and the context 512"):
        engine.submit(np.full(600, 5), Sampling(5), seed=0)
    (cut,) = engine.submit(np.full(509, 5), Sampling(50), seed=0).result()
    assert len(cut) <= 3


def test_memory_is_given_back_and_taken_again(engine: VllmEngine, prompts: list[np.ndarray]):
    before = tokens(engine.submit(prompts[0], Sampling(30, n=2), seed=7).result())
    engine.release()
    assert tokens(engine.submit(prompts[0], Sampling(30, n=2), seed=7).result()) == before


def test_the_learner_s_threads_stay_its_own(engine: VllmEngine):
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    assert torch.get_num_threads() == before + 1
    torch.set_num_threads(before)
