"""A recipe whose task is an environment, as `groupthink train` runs it."""

from pathlib import Path

import pyarrow.parquet as parquet
import pytest

from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from groupthink.run.terminal import open_view
from groupthink.stage import train
from tests_peers.verifiers.conftest import HERE, has_conversations

FILE = "conversations.py" if has_conversations() else "tasksets.py"
SMALL = (
    *("steps=2", "rollout.group_size=4", "rollout.max_tokens=60", "task.problems_per_step=4", "checkpoint_every=10"),
    *("evaluate.problems=4", "evaluate.samples=1", "evaluate.base_samples=1", "rollout.processes=1"),
    *("policy.processes=1", "reward.environment=1", "reward.accuracy=0", "reward.brevity=0"),
)


def test_a_run_learns_from_what_an_environment_gives(tmp_path: Path):
    recipe = load_recipe(overrides=[f"task.name=verifiers:{HERE.as_posix()}/{FILE}", *SMALL])
    with Run.create(tmp_path / "run", recipe) as run:
        view = open_view()
        view.started(run.recipe, run.remaining_steps())
        train(run, view)
    lines = read_metrics(run.path / "metrics.jsonl")
    assert len(lines) == 2 and all("rewards/environment/mean" in line for line in lines)
    rows = parquet.read_table(run.path / "rollouts/step-000000.parquet").to_pylist()
    assert len(rows) == 16 and (run.path / "summary.json").is_file()


@pytest.mark.skipif(not has_conversations(), reason="this version has tasksets alone")
def test_an_environment_s_replies_are_on_record_as_not_sampled(tmp_path: Path):
    name = f"verifiers:{HERE.as_posix()}/conversations.py:load_guessing"
    words = ('task."load_guessing:bears_words"=true', "steps=1", "rollout.max_tokens=150")
    recipe = load_recipe(overrides=[f"task.name={name}", *SMALL, *words])
    with Run.create(tmp_path / "run", recipe) as run:
        view = open_view()
        view.started(run.recipe, run.remaining_steps())
        train(run, view)
    rows = parquet.read_table(run.path / "rollouts/step-000000.parquet").to_pylist()
    assert any("<|user|>too " in row["text"] and not all(row["sampled"]) for row in rows)
