"""Responses of several turns, drawn by a tiny model that a calculator answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from groupthink.model.chat import Chat
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.nano.tokenizer import END, build_tokenizer
from groupthink.records import Problem, Weights
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import begin, generate
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.turns import follow
from groupthink.task import Task
from groupthink.task.reply import reply_of
from tests.calculator import Calculator, value_of
from tests.tiny import tiny

TOKENIZER = build_tokenizer()
CHAT = Chat(TOKENIZER)
TASK = Calculator(uses=2)
PROBLEMS = TASK.sample(0, 3)
SAMPLING = Sampling(120, temperature=1.1, n=8)


@pytest.fixture(scope="module")
def model():
    return tiny("qwen3")


def drawn(model, sampling=SAMPLING, seed=1, reply=TASK.reply, problems=PROBLEMS, **more):
    return generate(TorchEngine(model, TOKENIZER), CHAT, problems, sampling, seed, reply=reply, **more)


def every(groups):
    return [response for group in groups for response in group.responses]


def tokens(groups):
    return [response.token_ids_T.tolist() for response in every(groups)]


def pieces(response):
    """The response's tokens in turn: (sampled, ids), a piece for each turn and each reply."""
    borders = np.flatnonzero(np.diff(response.sampled_T)) + 1
    split = zip(np.split(response.sampled_T, borders), np.split(response.token_ids_T, borders), strict=True)
    return [(bool(sampled[0]), token_ids.tolist()) for sampled, token_ids in split]


@pytest.mark.parametrize(
    ("expression", "value"),
    [("12+7-30", -11), ("2*3+4", 10), ("4+2*3", 10), ("5--3", 8), ("-4*2", -8), ("2*-3*-1", 6), ("1-2*3-4", -9)],
)
def test_the_calculator_worked_by_hand(expression, value):
    assert value_of(expression) == value


def test_a_calculator_reads_the_last_expression_and_is_used_so_often():
    problem = PROBLEMS[0]
    assert TASK.reply(problem, ("1+1=2 and 2*3",)) == "\n2*3=6\n"
    assert TASK.reply(problem, ("I do not know 7",)) == "\n?\n"
    assert TASK.reply(problem, ("1+1", "\n1+1=2\n", "2")) == "\n?\n"
    assert TASK.reply(problem, ("1+1", "\n1+1=2\n", "2", "\n?\n", "2+2")) is None


def test_a_task_replies_where_it_has_a_reply():
    task: Task = TASK
    assert reply_of(task) == TASK.reply
    from groupthink.task.arithmetic import Arithmetic

    assert reply_of(Arithmetic()) is None


def test_turns_and_replies_are_one_response_in_order(model):
    (response, *_) = [one for one in every(drawn(model)) if len(pieces(one)) == 5]
    reply_ids = TOKENIZER.encode("\n?\n", add_special_tokens=False)
    one, first, two, second, three = pieces(response)
    assert first == second == (False, reply_ids)
    assert all(sampled and token_ids[-1] == TOKENIZER.eos_token_id for sampled, token_ids in (one, two))
    assert three[0] and TOKENIZER.eos_token_id not in three[1][:-1]
    texts = [TOKENIZER.decode(token_ids) for _, token_ids in (one, two, three)]
    assert response.text == "\n?\n".join(texts).removesuffix(END)
    assert response.text.count(END) == 2  # those that ended turns with a reply
    replied_T = ~response.sampled_T
    assert (response.logprobs_T[replied_T] == 0).all() and (response.drawn_logprobs_T[replied_T] == 0).all()
    assert (response.versions_T == np.where(replied_T, -1, 0)).all()
    assert (response.logprobs_T[response.sampled_T] < 0).all()
    assert response.written == len(response) - 2 * len(reply_ids)


def test_a_response_followed_by_a_reply_and_a_turn_by_hand(model):
    first, second = (replace(every(drawn(model))[place], seed=place) for place in (0, 1))
    reply_ids = np.array(TOKENIZER.encode("ab", add_special_tokens=False))
    whole = follow(first, reply_ids, replace(second, finish="stop"), TOKENIZER)
    assert whole.token_ids_T.tolist() == [*first.token_ids_T, *reply_ids, *second.token_ids_T]
    for name, unknown in (("sampled_T", False), ("logprobs_T", 0), ("drawn_logprobs_T", 0), ("versions_T", -1)):
        column_T, (one_T, two_T) = getattr(whole, name), (getattr(part, name) for part in (first, second))
        assert column_T.tolist() == [*one_T, unknown, unknown, *two_T] and column_T.dtype == one_T.dtype
    assert whole.text == TOKENIZER.decode(whole.token_ids_T[:-1])
    assert (whole.finish, whole.seed) == ("stop", first.seed)
    assert len(follow(first, reply_ids[:0], second, TOKENIZER)) == len(first) + len(second)


@pytest.mark.parametrize("kind", ["qwen3", "gemma3"])
def test_the_learner_finds_the_log_probabilities_of_the_engine_in_every_turn(kind):
    model = tiny(kind)
    groups = drawn(model)
    responses = every(groups)
    assert {len(pieces(response)) for response in responses} >= {1, 3}
    group_B = np.repeat(np.arange(len(groups)), SAMPLING.n)
    packed = pack([group.prompt_ids for group in groups], [one.token_ids_T for one in responses], group_B)
    with torch.no_grad():
        logprobs_M, _ = TokenScorer(model)(packed, SAMPLING.temperature)
    for found_T, response in zip(
        np.split(logprobs_M.numpy(), np.cumsum([len(one) for one in responses])[:-1]), responses, strict=True
    ):
        np.testing.assert_allclose(found_T[response.sampled_T], response.logprobs_T[response.sampled_T], atol=1e-4)


def test_what_is_drawn_depends_on_the_seed_and_the_problem_alone(model):
    groups = drawn(model)
    assert tokens(drawn(model)) == tokens(groups) != tokens(drawn(model, seed=2))
    assert tokens(drawn(model, problems=PROBLEMS[2:])) == tokens(groups[2:])


def test_the_first_turn_is_that_of_a_task_without_replies(model):
    plain, groups = drawn(model, reply=None), drawn(model)
    assert tokens(drawn(model, reply=lambda problem, turns: None)) == tokens(plain)
    for alone, response in zip(every(plain), every(groups), strict=True):
        assert pieces(response)[0][1] == alone.token_ids_T.tolist()
        assert response.seed == alone.seed
        assert (len(pieces(response)) == 1) == (alone.finish == "length" or len(alone) + 3 >= SAMPLING.max_tokens)


def test_a_task_hears_every_turn_that_the_policy_ended_after_all_that_came_before(model):
    heard = []

    def reply(problem, turns):
        heard.append((problem.id, turns))
        return TASK.reply(problem, turns)

    expected = []
    for group in drawn(model, reply=reply):
        for response in group.responses:
            ended = [token_ids[-1] == TOKENIZER.eos_token_id for _, token_ids in pieces(response)]
            texts = tuple(TOKENIZER.decode(token_ids).removesuffix(END) for _, token_ids in pieces(response))
            expected += [(group.problem.id, texts[: i + 1]) for i in range(0, len(texts), 2) if ended[i]]
    assert sorted(heard) == sorted(expected) and max(len(turns) for _, turns in heard) == 5


@pytest.mark.parametrize("max_tokens", [1, 2, 7, 30, 150])
def test_turns_and_replies_share_the_budget(model, max_tokens):
    for response in every(drawn(model, Sampling(max_tokens, n=20))):
        assert len(response) <= max_tokens
        assert response.sampled_T[-1]  # a reply that nothing can follow is not taken in
        if response.token_ids_T[-1] != TOKENIZER.eos_token_id:
            assert response.finish == "length" and len(response) == max_tokens
        elif response.finish == "length":  # three tokens of a reply, and none for a turn
            assert max_tokens - len(response) <= 3
        else:
            assert len(pieces(response)) == 5


@pytest.mark.parametrize("said", ["", "x", "x" * 90])
def test_an_endless_task_comes_to_an_end_with_the_budget(model, said):
    responses = every(drawn(model, reply=lambda problem, turns: said))
    assert {response.finish for response in responses} == {"length"}
    assert max(map(len, responses)) <= SAMPLING.max_tokens


def test_a_reply_that_fills_the_model_s_context_ends_the_response():
    model = tiny("qwen3", max_position_embeddings=64)
    groups = drawn(model, Sampling(1000, n=20), reply=lambda problem, turns: "y" * 15)
    for group in groups:
        for response in group.responses:
            room = 64 - len(group.prompt_ids) - len(response)
            assert response.finish == "length" and room >= 0
            assert (room == 0) == (response.token_ids_T[-1] != TOKENIZER.eos_token_id)
    assert {len(pieces(response)) for response in every(groups)} >= {1, 3}


class Watched(TorchEngine):
    """Writes down what it is asked, and when it is waited for."""

    def __init__(self, model):
        super().__init__(model, TOKENIZER)
        self.told = []

    def submit(self, prompt_ids, sampling, seed):
        self.told.append(("submit", sampling.n))
        return super().submit(prompt_ids, sampling, seed)

    def step(self):
        if self.told[-1] != ("step",):
            self.told.append(("step",))
        super().step()


def test_all_of_a_turn_are_asked_for_before_one_is_waited_for(model):
    engine = Watched(model)
    groups = generate(engine, CHAT, PROBLEMS, SAMPLING, 1, reply=TASK.reply)
    counts = [len(pieces(response)) for response in every(groups)]
    second, third = sum(count >= 3 for count in counts), sum(count >= 5 for count in counts)
    assert second and third
    assert engine.told == [
        *[("submit", 8)] * 3, ("step",), *[("submit", 1)] * second, ("step",), *[("submit", 1)] * third, ("step",),
    ]  # fmt: skip


def test_later_turns_are_drawn_from_the_weights_of_their_time_and_say_so(model):
    engine = TorchEngine(tiny("qwen3"), TOKENIZER)
    pending = begin(engine, CHAT, PROBLEMS, SAMPLING, 1, TASK.reply)
    for handle in pending.handles:
        handle.result()
    engine.load(Weights(7, dict(tiny("qwen3", seed=1).named_parameters())))
    responses = every(pending.result())
    assert any(len(pieces(response)) > 1 for response in responses)
    for response in responses:
        borders = np.flatnonzero(~response.sampled_T)
        first = borders[0] if len(borders) else len(response)
        assert set(response.versions_T[:first]) == {0} and set(response.versions_T[first:]) <= {-1, 7}


def test_what_was_cancelled_is_not_gone_on_with(model):
    engine = TorchEngine(model, TOKENIZER)
    pending = begin(engine, CHAT, PROBLEMS, SAMPLING, 1, TASK.reply)
    pending.handles[1].cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        pending.result()


def test_whoever_watches_sees_the_later_turns(model):
    told = []
    problems = [Problem("t/1", "t", f"Compute {place}") for place in range(30)]
    for problem in problems:
        (group,) = drawn(model, problems=[problem], on_text=told.append)
        if len(pieces(group.responses[0])) > 1:
            break
    assert told[-1] == group.responses[0].text and "\n?\n" in told[-1]


def test_a_response_tells_its_turns_apart(model):
    groups = drawn(model)
    for one in every(groups):
        told = pieces(one)
        if len(told) == 1:
            assert one.turns == ()
            continue
        texts = [TOKENIZER.decode(token_ids) for _, token_ids in told]
        assert [text.removesuffix(END) for text in texts] == list(one.turns)
        assert len(one.turns) % 2 == 1
    assert any(len(one.turns) == 5 for one in every(groups))


def test_a_reply_of_messages_is_laid_out_by_the_template(model):
    def say(problem, turns):
        return ({"role": "user", "content": "?"},) if len(turns) == 1 else None

    [response, *_] = [one for one in every(drawn(model, reply=say)) if one.turns]
    first, reply, second = pieces(response)
    assert first[0] and second[0] and not reply[0]
    assert TOKENIZER.decode(reply[1]) == f"<|user|>?{END}<|assistant|>" == response.turns[1]
