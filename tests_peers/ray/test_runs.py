"""Whole runs with engines on a cluster: the same stages, and the same bits."""

import pyarrow.parquet as parquet
import pytest

from groupthink.run.metrics import read_metrics
from tests.stage.conftest import resume, train, weights

ENGINES = ("scale.engines=2",)


@pytest.mark.parametrize("words", [(), ("stage=grpo_async", "rollout.lag=1")], ids=["grpo", "lag by order"])
def test_a_run_with_two_engines_is_the_local_run_bit_for_bit(cluster, recipe, tmp_path, words):
    local = train(tmp_path / "local", recipe, *words)
    run = train(tmp_path / "run", recipe, *words, *ENGINES)
    assert weights(run.path) == weights(local.path)
    for name in ("before", "after"):
        assert run.read_evaluation(name) == local.read_evaluation(name)
    steps = read_metrics(run.path / "metrics.jsonl")
    assert [line.get("sampling/lag/max") for line in steps] == ([0, 1, 1] if words else [None] * 3)
    assert all(line["time/sync"] > 0 for line in steps)


def test_by_time_no_token_is_older_than_the_lag(cluster, recipe, tmp_path):
    run = train(tmp_path / "run", recipe, "stage=grpo_async", "rollout.lag=1", "rollout.lag_by=time", *ENGINES)
    for step in range(3):
        column = parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet")["version"].to_pylist()
        assert {version for row in column for version in row} <= {step - 1, step}


def test_a_resumed_run_may_have_other_engines(cluster, recipe, tmp_path):
    straight = train(tmp_path / "straight", recipe, "policy.schedule=constant")
    run = train(tmp_path / "run", recipe, "policy.schedule=constant", "steps=2", *ENGINES)
    assert weights(resume(run.path, "steps=3", "scale.engines=1").path) == weights(straight.path)


def test_a_model_is_measured_by_engines_as_by_the_local_one(cluster, recipe, tmp_path):
    figures = [
        train(tmp_path / name, recipe, "stage=evaluate", *words).read_evaluation("after").figures
        for name, words in (("local", ()), ("run", ENGINES))
    ]
    assert figures[0] == figures[1]
