"""A recipe that draws by vLLM, as `groupthink train` runs it."""

from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from groupthink.recipe import load_recipe
from groupthink.rollout.vllm.process import VllmProcessEngine
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from groupthink.run.terminal import open_view
from groupthink.stage import train

SMALL = (
    *("rollout.engine=vllm", "rollout.group_size=4", "rollout.max_tokens=60", "task.problems_per_step=4"),
    *("evaluate.problems=4", "evaluate.samples=1", "evaluate.base_samples=1", "checkpoint_every=1"),
)


def run_it(path: Path, *more: str) -> Run:
    with Run.create(path, load_recipe(overrides=[*SMALL, *more])) as run:
        view = open_view()
        view.started(run.recipe, run.remaining_steps())
        train(run, view)
    return run


@pytest.mark.parametrize(
    "more", [(), ("stage=grpo_async", "rollout.lag=1", "rollout.lag_by=time")], ids=["grpo", "async"]
)
def test_a_run_learns_from_what_vllm_draws(more: tuple[str, ...], tmp_path: Path):
    run = run_it(tmp_path / "run", "steps=3", *more)
    lines = read_metrics(run.path / "metrics.jsonl")
    assert len(lines) == 3 and all(line["grad_norm"] > 0 for line in lines)
    if not more:  # with a lag, what was learned since lies between them, too
        assert max(line["sampling/sampling_logp_difference/max"] for line in lines) < 5e-5
    for step in range(3):
        table = parquet.read_table(run.path / f"rollouts/step-{step:06d}.parquet")
        drawn = {version for row in table["version"].to_pylist() for version in row}
        assert drawn <= {step, step - 1} if more else drawn == {step}


def test_a_sync_that_is_left_out_ends_the_run_in_its_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    load = VllmProcessEngine.load
    monkeypatch.setattr(
        VllmProcessEngine, "load", lambda self, weights: None if weights.version == 2 else load(self, weights)
    )
    with pytest.raises(RuntimeError, match=r"version 1, and the learner is at version 2: a sync was left out"):
        run_it(tmp_path / "run", "steps=3", "policy.learning_rate=1e-6")
    assert len(read_metrics(tmp_path / "run" / "metrics.jsonl")) == 2
