"""Learning from problems without answers: the group's own vote is the label."""

import pyarrow.parquet as parquet
import pytest

from groupthink.run.metrics import read_metrics
from groupthink.task import TASKS, open_task
from groupthink.task.unlabelled import Unlabelled
from tests.stage.conftest import train

SETTINGS = ("task.name=withheld", "reward.accuracy=0", "reward.brevity=0", "reward.majority=0.8", "reward.format=0.2")


@pytest.fixture
def withheld(monkeypatch):
    monkeypatch.setitem(TASKS, "withheld", lambda seed, split, *rest: Unlabelled(open_task("quadratics", seed, split)))


def test_a_run_without_answers_learns_by_its_votes(withheld, tmp_path, place):
    run = train(
        tmp_path / "run", place / "grpo.toml", *SETTINGS,
        "model=nano", "steps=2", "rollout.group_size=8", "rollout.max_tokens=200", "objective.kl=0",
    )  # fmt: skip
    lines = read_metrics(run.path / "metrics.jsonl")
    assert len(lines) == 2
    assert all("rewards/accuracy/mean" not in line for line in lines)  # nobody knows what is right
    assert any(0 < line.get("rewards/majority/mean", 0) < 1 for line in lines)
    rows = [row for file in sorted((run.path / "rollouts").iterdir()) for row in parquet.read_table(file).to_pylist()]
    assert {row["parts"]["accuracy"] for row in rows} == {None} == {row["expected"] for row in rows}
    for row in rows:
        assert row["parts"]["majority"] in (None, 0.0, 1.0)
    assert any(row["advantage"] > 0 for row in rows if row["parts"]["majority"] == 1)
    assert {row["expected"] is None for row in run.read_evaluation("after").rows} == {False}  # held out, with answers


def test_only_training_problems_lose_their_answers():
    task = Unlabelled(open_task("quadratics"))
    (problem,), (held,) = task.sample(0, 1), task.held_out(1)
    answer = open_task("quadratics").sample(0, 1)[0].answer
    assert problem.answer is None and task.verify(problem, answer).right is None
    assert task.verify(problem, answer).extracted == answer
    assert task.verify(held, held.answer).right is True
