"""Generation that runs ahead of learning: by how much, and that a resume is exact."""

import os
import signal
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest

from groupthink.recipe import load_recipe
from groupthink.records import Weights
from groupthink.rollout.ahead_engine import AheadEngine
from groupthink.run.directory import Run
from groupthink.run.groups import read_groups, write_groups
from groupthink.run.metrics import read_metrics
from groupthink.stage import grpo_async
from tests.policy.conftest import _make_groups
from tests.stage.conftest import STEPS, resume, to_the_end, train, weights
from tests.stage.test_resume import timeless


def lagging(lag: int, *more: str) -> tuple[str, ...]:
    return ("stage=grpo_async", f"rollout.lag={lag}", *more)


def versions(run, step: int) -> set[int]:
    column = parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet")["version"].to_pylist()
    return {version for row in column for version in row}


def test_without_a_lag_it_is_the_synchronous_loop_bit_for_bit(finished, place, tmp_path):
    run = train(tmp_path / "run", place / "grpo.toml", "stage=grpo_async")
    assert weights(run.path) == weights(finished.path)
    for name in ("before", "after"):
        assert run.read_evaluation(name) == finished.read_evaluation(name)


def test_step_k_is_sampled_by_version_k_less_the_lag_and_a_resume_is_exact(place, tmp_path, monkeypatch):
    lag, probed = 2, []
    with monkeypatch.context() as patch:
        require = grpo_async.require_agreement
        patch.setattr(grpo_async, "require_agreement", lambda *all: (probed.append(all[-1]), require(*all)))
        straight = train(tmp_path / "straight", place / "grpo.toml", *lagging(lag))
    assert [versions(straight, step) for step in range(STEPS)] == [{max(step - lag, 0)} for step in range(STEPS)]
    lags = [line["sampling/lag/max"] for line in read_metrics(straight.path / "metrics.jsonl")]
    assert lags == [min(step, lag) for step in range(STEPS)]
    # A probe went with the one step that was asked for when there were responses to go on with.
    *before, last = probed
    assert before == [None] * 3 and len(last) == 2 and np.abs(last).max() < 1e-4

    record, run = Run.record, tmp_path / "run"

    def stop(run, step, *args):
        if step == 2:  # two steps are done, and the next ones are on their way
            raise KeyboardInterrupt
        return record(run, step, *args)

    with (
        monkeypatch.context() as patch,
        pytest.raises(KeyboardInterrupt),
        Run.create(run, load_recipe(place / "grpo.toml", lagging(lag))) as begun,
    ):
        patch.setattr(Run, "record", stop)
        to_the_end(begun)
    assert list(read_groups(run / "checkpoints/step-000002/ahead.parquet")) == list(range(2, 2 + lag))
    resume(run)
    assert weights(run) == weights(straight.path) and timeless(run) == timeless(straight.path)


def test_with_a_lag_a_probe_finds_what_draws_from_another_law(place, tmp_path, monkeypatch):
    """Weights that are not the learner's, and an engine that does not notice."""
    load = AheadEngine.load

    def load_wrongly(engine, given):
        factor = 1.5 if given.version else 1.0
        load(engine, Weights(given.version, {name: tensor * factor for name, tensor in given.tensors.items()}))

    monkeypatch.setattr(AheadEngine, "load", load_wrongly)
    monkeypatch.setattr(AheadEngine, "verify", lambda *_: None)
    with pytest.raises(
        RuntimeError, match=r"in step 2 .* the median of 2 tokens that were drawn from the same weights"
    ):
        train(tmp_path / "run", place / "grpo.toml", *lagging(1))


def test_by_time_no_token_is_older_than_the_lag(place, tmp_path):
    run = train(tmp_path / "run", place / "grpo.toml", *lagging(2, "rollout.lag_by=time"))
    for step in range(STEPS):
        assert min(versions(run, step)) >= step - 2 and max(versions(run, step)) <= step


def test_a_pool_of_problems_is_known_again_after_a_resume(place, tmp_path):
    settings = lagging(1, "task.pool=6")
    straight = train(tmp_path / "straight", place / "grpo.toml", *settings)
    run = train(tmp_path / "run", place / "grpo.toml", *settings, "steps=2")
    kept = read_groups(straight.path / "checkpoints/step-000003/ahead.parquet")
    assert list(kept) == [3]
    resume(run.path, f"steps={STEPS}")  # it ends with nothing ahead, so its third step has no lag
    assert [line["sampling/lag/max"] for line in read_metrics(run.path / "metrics.jsonl")] == [0, 1, 0, 1]


def test_groups_come_back_from_a_file_as_they_were(tmp_path):
    first, *others = _make_groups()
    talk = replace(first.responses[0], turns=("7\ud800", "=84", "7"))
    groups = [replace(first, responses=(talk, *first.responses[1:])), *others]
    write_groups(tmp_path / "groups.parquet", {3: groups[:1], 4: groups[1:]})
    found = read_groups(tmp_path / "groups.parquet")
    assert list(found) == [3, 4]
    for one, other in zip([*found[3], *found[4]], groups, strict=True):
        assert one.problem == other.problem and one.prompt_ids.tolist() == other.prompt_ids.tolist()
        for response, as_it_was in zip(one.responses, other.responses, strict=True):
            for name in ("token_ids_T", "sampled_T", "logprobs_T", "drawn_logprobs_T", "versions_T"):
                found_T, expected_T = getattr(response, name), getattr(as_it_was, name)
                assert found_T.dtype == expected_T.dtype
                np.testing.assert_array_equal(found_T, expected_T)
            for name in ("text", "turns", "finish", "seed"):
                assert getattr(response, name) == getattr(as_it_was, name)


def test_a_run_goes_on_when_its_rollout_process_is_killed(place, tmp_path, monkeypatch):
    straight = train(tmp_path / "straight", place / "grpo.toml", *lagging(1))
    load, engines = AheadEngine.load, set()

    def load_and_kill(engine, given):
        load(engine, given)
        engines.add(engine)
        if given.version == 2:
            os.kill(engine.workers.processes[0].pid, signal.SIGKILL)

    monkeypatch.setattr(AheadEngine, "load", load_and_kill)
    run = train(tmp_path / "run", place / "grpo.toml", *lagging(1))
    assert weights(run.path) == weights(straight.path)
    assert [len(engine.restarts) for engine in engines] == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("rollout.lag=1",), 'set stage="grpo_async"'),
        (("stage=grpo_async", "rollout.lag=1", "rollout.processes=2"), "one process generates"),
        (("stage=grpo_async", "task.rounds=2"), "set task.rounds=1"),
        (("rollout.lag=-1",), "give 0 or more versions"),
        (("rollout.lag_by=chance",), "choose one of order, time"),
        (("rollout.patience=1",), "give 15 seconds or more"),
    ],
)
def test_what_cannot_be_is_refused(words, said):
    with pytest.raises(ValueError, match=said):
        load_recipe(overrides=words)
