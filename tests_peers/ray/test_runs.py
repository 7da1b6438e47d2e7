"""Whole runs on a cluster: the same stages; with engines the same bits, with learners the same to rounding."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow.parquet as parquet
import pytest
from safetensors.torch import load_file

from groupthink.model.place import NANO
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from tests.stage.conftest import resume, train, weights

ENGINES = ("scale.engines=2",)
LEARNERS = ("scale.learners=2", "scale.patience=60")
CONSTANT = ("policy.schedule=constant", "checkpoint_every=1")  # steps that do not depend on how many there are


@pytest.fixture(scope="module")
def locally(recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """`locally(*words)` is a run without a cluster, made once for all that are compared with it. Not to be changed."""

    @cache
    def run(*words: str) -> Run:
        return train(tmp_path_factory.mktemp("local") / "run", recipe, *words)

    return run


def far(run: Path, local: Path) -> float:
    """Between two trained models, relative to how far the second has moved from nano."""
    start, one, other = (load_file(place / "model.safetensors") for place in (NANO, run / "model", local / "model"))
    assert one.keys() == other.keys()
    apart = sum(float((one[name] - other[name]).norm() ** 2) for name in other)
    return (apart / sum(float((other[name] - start[name]).norm() ** 2) for name in other)) ** 0.5


@pytest.mark.parametrize("words", [(), ("stage=grpo_async", "rollout.lag=1")], ids=["grpo", "lag by order"])
def test_a_run_with_two_engines_is_the_local_run_bit_for_bit(cluster, recipe, locally, tmp_path, words):
    local = locally(*words)
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


def test_a_resumed_run_may_have_other_engines(cluster, recipe, locally, tmp_path):
    straight = locally(*CONSTANT)
    run = train(tmp_path / "run", recipe, *CONSTANT, "steps=2", *ENGINES)
    assert weights(resume(run.path, "steps=3", "scale.engines=1").path) == weights(straight.path)


def test_a_model_is_measured_by_engines_as_by_the_local_one(cluster, recipe, tmp_path):
    figures = [
        train(tmp_path / name, recipe, "stage=evaluate", *words).read_evaluation("after").figures
        for name, words in (("local", ()), ("run", ENGINES))
    ]
    assert figures[0] == figures[1]


@pytest.mark.parametrize(
    "words",
    [("stage=grpo_async", "rollout.lag=1", *ENGINES), ("stage=sft",), ("stage=distill",)],
    ids=["ahead, with engines", "imitation", "a teacher"],
)
def test_two_learners_come_to_what_one_comes_to_in_every_stage(cluster, recipe, locally, tmp_path, words):
    if "stage=distill" in words:
        words = (*words, f"distill.teacher={locally().path}")
    local = locally(*(word for word in words if word not in ENGINES))
    run = train(tmp_path / "run", recipe, *words, *LEARNERS)
    expected, found = (read_metrics(its.path / "metrics.jsonl") for its in (local, run))
    for name in ("loss", "grad_norm", "entropy"):
        assert [line[name] for line in found] == pytest.approx([line[name] for line in expected], rel=2e-2, abs=1e-5)
    assert far(run.path, local.path) < 1e-2


@pytest.mark.fault("F8")
def test_a_run_is_taken_up_by_other_numbers_of_learners(cluster, recipe, locally, tmp_path):
    straight = locally(*CONSTANT)
    run = train(tmp_path / "run", recipe, *CONSTANT, "steps=1", *LEARNERS)
    resume(run.path, "steps=2", "scale.learners=1")
    assert far(resume(run.path, "steps=3", "scale.learners=0").path, straight.path) < 1e-2
