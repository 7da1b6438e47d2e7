"""GRPO on a task of two turns: nano works, a calculator answers, nano goes on."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch

from groupthink.model.chat import Chat
from groupthink.nano.tokenizer import END, build_tokenizer
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.passes import MicroBatch, Passes
from groupthink.policy.settings import PolicySettings
from groupthink.records import Batch
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.run.groups import read_groups
from groupthink.run.metrics import read_metrics
from groupthink.task import TASKS
from tests.calculator import Calculator, value_of
from tests.stage.conftest import train, weights
from tests.tiny import plain_logits, tiny

SETTINGS = (
    *("model=nano", "task.name=calculator", "steps=2", "rollout.max_tokens=90", "policy.learning_rate=1e-4"),
    *("rollout.temperature=1.0", "objective.kl=0.01"),
)


@pytest.fixture(scope="module", autouse=True)
def calculator():
    """The recipes of this file know the task."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "calculator", lambda seed, split: Calculator(seed))
        yield


@pytest.fixture(scope="module")
def run(place, calculator, tmp_path_factory):
    return train(tmp_path_factory.mktemp("turns") / "run", place / "grpo.toml", *SETTINGS)


def rows_of(run, step):
    return parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet").to_pylist()


@pytest.fixture(scope="module")
def rows(run):
    return [row for step in range(2) for row in rows_of(run, step)]


def in_turn(row):
    """The texts of the first turn, the reply and the second turn."""
    first, *_ = np.flatnonzero(~np.array(row["sampled"]))
    last = np.flatnonzero(~np.array(row["sampled"]))[-1]
    assert not any(row["sampled"][first : last + 1])
    decode = build_tokenizer().decode
    return [decode(part) for part in np.split(np.array(row["token_ids"]), [first, last + 1])]


def test_the_calculator_answers_what_nano_wrote_and_nano_goes_on(rows):
    answered = [row for row in rows if not all(row["sampled"])]
    assert len(answered) >= len(rows) / 2
    worked = 0
    for row in answered:
        first, reply, second = in_turn(row)
        assert first.endswith(END) and second
        assert row["text"] == (first + reply + second).removesuffix(END)
        assert reply == "\n?\n" or reply.count("=") == 1
        if reply != "\n?\n":
            expression, value = reply.strip().split("=")
            assert expression in first and value_of(expression) == int(value)
            worked += 1
    assert worked


def test_replies_are_on_record_as_not_sampled(rows):
    for row in rows:
        sampled, replied = np.array(row["sampled"]), ~np.array(row["sampled"])
        assert sampled[0] and sampled[-1] and len(sampled) <= 90
        assert (np.array(row["version"]) == -1).tolist() == replied.tolist()
        assert not np.array(row["logprobs"])[replied].any()
        assert not np.array(row["clipped"])[replied].any()


def test_learner_and_engine_agree_on_every_sampled_token(run, rows):
    for row in rows:
        sampled = np.array(row["sampled"])
        if row["learner_logprobs"] is not None:
            found, drawn = (np.array(row[name])[sampled] for name in ("learner_logprobs", "logprobs"))
            np.testing.assert_allclose(found, drawn, atol=1e-4)
    for line in read_metrics(run.path / "metrics.jsonl"):
        assert line["sampling/sampling_logp_difference/max"] < 1e-4
        assert line["ratio/max"] == pytest.approx(1, abs=1e-4)
        assert line["grad_norm"] > 0


def test_lengths_are_those_of_what_was_sampled(run):
    for step, line in enumerate(read_metrics(run.path / "metrics.jsonl")):
        lengths = [sum(row["sampled"]) for row in rows_of(run, step)]
        assert line["completions/mean_length"] == pytest.approx(np.mean(lengths))
        assert line["completions/max_length"] == max(lengths) < max(len(row["sampled"]) for row in rows_of(run, step))


def test_an_evaluation_has_the_turns_too(run):
    for name in ("before", "after"):
        figures, rows = run.read_evaluation(name)
        replied = [row for row in rows if END in row["text"]]
        assert len(replied) >= len(rows) / 2
        assert all(row["length"] < len(build_tokenizer().encode(row["text"])) for row in replied)
        assert figures["length"] == pytest.approx(np.mean([row["length"] for row in rows if row["kind"] == "sampled"]))


def test_begun_ahead_by_no_step_it_is_the_same_run_bit_for_bit(run, place, tmp_path):
    again = train(tmp_path / "run", place / "grpo.toml", *SETTINGS, "stage=grpo_async")
    assert weights(again.path) == weights(run.path)
    for step in range(2):
        assert rows_of(again, step) == rows_of(run, step)


def test_with_a_lag_by_time_what_a_checkpoint_holds_is_what_is_learned_from(place, tmp_path):
    """Though weights have come since, from which later turns that were asked for anew would be drawn."""
    lag = ("stage=grpo_async", "rollout.lag=3", "rollout.lag_by=time", "steps=4", "checkpoint_every=2")
    run = train(tmp_path / "run", place / "grpo.toml", *SETTINGS, *lag)
    ahead = read_groups(run.path / "checkpoints/step-000002/ahead.parquet")
    held = [response for group in ahead[3] for response in group.responses]
    assert any(not response.sampled_T.all() for response in held)
    for response, row in zip(held, rows_of(run, 3), strict=True):
        assert response.token_ids_T.tolist() == row["token_ids"] and response.sampled_T.tolist() == row["sampled"]
        assert response.versions_T.tolist() == row["version"] and set(row["version"]) <= {-1, 0, 1, 2}


def test_with_a_lag_by_order_it_is_refused(place, tmp_path):
    with pytest.raises(ValueError, match=r'task calculator replies .* set rollout\.lag_by="time"'):
        train(tmp_path / "run", place / "grpo.toml", *SETTINGS, "stage=grpo_async", "rollout.lag=1")


TEMPERATURE = 1.1
OBJECTIVE = ObjectiveSettings(kl=0.0)


@pytest.fixture(scope="module")
def groups():
    """Of a tiny model, some of whose responses have two turns."""
    task, tokenizer = Calculator(), build_tokenizer()
    engine, sampling = TorchEngine(tiny("qwen3"), tokenizer), Sampling(80, temperature=TEMPERATURE, n=6)
    return generate(engine, Chat(tokenizer), task.sample(0, 3), sampling, seed=1, reply=task.reply)


@pytest.fixture(scope="module")
def batch(groups) -> Batch:
    rewards_PG = np.random.default_rng(0).random((3, 6))
    return assemble(groups, rewards_PG - rewards_PG.mean(axis=1, keepdims=True), OBJECTIVE)


def test_replies_have_no_weight_and_no_share_in_a_denominator(batch, groups):
    assert 0 < (~batch.sampled_M).sum() < batch.sampled_M.sum()
    assert (batch.weights_M[~batch.sampled_M] == 0).all()
    responses = [response for group in groups for response in group.responses]
    expected = [np.where(one.sampled_T, 1 / (len(responses) * one.written), 0) for one in responses]
    np.testing.assert_allclose(batch.weights_M, np.concatenate(expected), rtol=1e-6)


def gradient(model):
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


def by_hand(batch: Batch, counted_M: np.ndarray) -> torch.Tensor:
    """The gradient of -sum over counted tokens of weight times advantage times log pi, by transformers' own pass."""
    model, lengths_B = tiny("qwen3"), np.diff(batch.starts)
    model.get_input_embeddings().padding_idx = None  # a pad token that was sampled is a token like any other
    counts_M = np.repeat(np.add.reduceat(counted_M, batch.starts[:-1]), lengths_B)
    shares = torch.from_numpy(np.where(counted_M, batch.advantages_M / (len(lengths_B) * counts_M), 0))
    for b, (start, end) in enumerate(zip(batch.starts[:-1], batch.starts[1:], strict=True)):
        prompt, token_ids_T = batch.prompts[batch.group_B[b]], batch.token_ids_M[start:end]
        logits = plain_logits(model, [*prompt, *token_ids_T])[len(prompt) - 1 : -1]
        logprobs_T = torch.log_softmax(logits / TEMPERATURE, -1).gather(1, torch.from_numpy(token_ids_T)[:, None])[:, 0]
        (-(shares[start:end] * logprobs_T).sum()).backward()
    return gradient(model)


def test_the_gradient_is_that_of_the_sampled_tokens_alone(batch):
    model = tiny("qwen3")
    Passes(model, None, OBJECTIVE, TEMPERATURE).backward(MicroBatch(batch))
    expected = by_hand(batch, batch.sampled_M)
    everything = by_hand(batch, np.ones_like(batch.sampled_M))
    largest = expected.abs().max()
    assert (gradient(model) - expected).abs().max() < 1e-4 * largest < (everything - expected).abs().max()


def test_an_update_does_not_see_what_stands_beside_a_reply(batch):
    """Whatever is said of a reply's log-probabilities and advantages."""
    noise_M = np.random.default_rng(1).normal(size=len(batch.sampled_M)).astype(np.float32)
    columns = ("old_logprobs_M", "drawn_logprobs_M", "advantages_M")
    other = replace(batch, **{name: np.where(batch.sampled_M, getattr(batch, name), 9 * noise_M) for name in columns})
    updated = []
    for each in (batch, other):
        model = tiny("qwen3")
        settings = PolicySettings(learning_rate=1e-3, warmup_steps=0, threads=1)
        report = Learner(
            model, tiny("qwen3"), settings, replace(OBJECTIVE, kl=0.1), total_steps=1, temperature=1.1
        ).update(each)
        updated.append((report.metrics, torch.cat([parameter.detach().flatten() for parameter in model.parameters()])))
    (metrics, one), (same, two) = updated
    assert torch.equal(one, two) and metrics == same
    assert not torch.equal(one, torch.cat([parameter.detach().flatten() for parameter in tiny("qwen3").parameters()]))
