"""A run on a data set that is killed where an epoch ends, and again: no problem is skipped, none comes twice."""

import json
import signal

import pyarrow.parquet as parquet
import pytest

from tests.stage.conftest import train, weights

STEPS = 8


def drawn(run):
    """The problems of each step, in order."""
    return [
        list(dict.fromkeys(parquet.read_table(run / f"rollouts/step-{step:06d}.parquet")["problem"].to_pylist()))
        for step in range(STEPS)
    ]


@pytest.mark.fault("F6", "F7")
def test_killed_where_an_epoch_ends_and_again_each_epoch_has_every_problem_once(place, begin, tmp_path):
    """Five problems, two a step: an epoch ends in the midst of the third step."""
    rows, run, log = tmp_path / "rows.jsonl", tmp_path / "run", tmp_path / "log"
    rows.write_text("".join(json.dumps({"question": f"{i}+1", "answer": i + 1}) + "\n" for i in range(9)))
    settings = (f"task.data={rows.as_posix()}", "task.held_out=0.4", "task.verify=exact", f"steps={STEPS}")
    whole = train(tmp_path / "whole", place / "grpo.toml", *settings).path

    begun = [place / "grpo.toml", *settings]
    for step in (2, 3):
        process = begin("train", *begun, "--run", run, log=log)
        process.when((run / f"checkpoints/step-{step:06d}").exists)
        process.strike(signal.SIGKILL)
        assert process.code() == -signal.SIGKILL, log.read_text()
        begun = ["--resume"]
    assert begin("train", "--resume", "--run", run, log=log).code() == 0, log.read_text()

    problems = [problem for step in drawn(whole) for problem in step]
    size = len(set(problems))
    assert size == 5 and sorted(problems[:size]) == sorted(problems[size : 2 * size]) == sorted(set(problems))
    assert drawn(run) == drawn(whole) and weights(run) == weights(whole)
