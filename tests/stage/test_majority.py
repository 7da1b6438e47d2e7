"""Learning from problems without answers: the group's own vote is the label."""

import json

import pyarrow.parquet as parquet

from groupthink.run.metrics import read_metrics
from tests.stage.conftest import train

SETTINGS = ("task.unlabelled=true", "reward.majority=0.8")


def test_a_run_without_answers_learns_by_its_votes(tmp_path, place):
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


def test_a_data_set_without_answers_is_learned_from(tmp_path, place):
    path = tmp_path / "asked.jsonl"
    path.write_text("".join(json.dumps({"question": f"{i}+1"}) + "\n" for i in range(50)))
    settings = (*SETTINGS, f"task.data={path.as_posix()}", "task.verify=number", "task.held_out=0.3", "steps=2")
    run = train(tmp_path / "run", place / "grpo.toml", *settings)
    rows = [row for file in sorted((run.path / "rollouts").iterdir()) for row in parquet.read_table(file).to_pylist()]
    assert {row["problem"].split("/")[0] for row in rows} == {"data"}
    assert {(row["expected"], row["parts"]["accuracy"]) for row in rows} == {(None, None)}
    assert all("majority" in row["parts"] for row in rows)
