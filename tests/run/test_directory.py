import hashlib
import json
import logging
import os
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest

from groupthink.recipe import load_recipe
from groupthink.records import Batch, Group, Problem, Report, Response, Score
from groupthink.run.directory import Run, free_directory
from groupthink.run.lines import append_line, read_lines
from groupthink.run.lock import Lock
from groupthink.run.metrics import read_metrics
from groupthink.run.standing import find_standing


def a_response(text="<think>2*3=6</think>x=2, x=3", length=3, finish="stop"):
    floats = np.full(length, -0.5, np.float32)
    ids = np.arange(length)
    return Response(ids, np.ones(length, bool), floats, floats, np.zeros(length, np.int64), text, finish, seed=2**62)


def a_step(rewards=((1.0, 0.2), (0.2, 0.2)), **response):
    """Arguments of `record`: P problems x G responses of three tokens."""
    groups = [
        Group(
            Problem(f"q/{p}", "quadratics", "Solve", "x=2"),
            np.array([5, 6]),
            tuple(a_response(**response) for _ in row),
        )
        for p, row in enumerate(rewards)
    ]
    scores = [
        [Score(value, {"accuracy": float(value == 1.0), "own": None}, None, "") for value in row] for row in rewards
    ]
    B = sum(map(len, rewards))
    M = 3 * B
    batch = Batch(
        prompts=tuple(group.prompt_ids for group in groups),
        group_B=np.repeat(np.arange(len(rewards)), len(rewards[0])),
        starts=np.arange(B + 1) * 3,
        token_ids_M=np.zeros(M, np.int64),
        sampled_M=np.ones(M, bool),
        old_logprobs_M=np.zeros(M, np.float32),
        drawn_logprobs_M=np.zeros(M, np.float32),
        advantages_M=np.zeros(M, np.float32),
        weights_M=np.ones(M, np.float32),
    )
    change_M = np.full(M, np.nan, np.float32)
    change_M[:3] = 0.1
    report = Report(
        {"loss": 0.5, "kl": 0.01},
        np.arange(M, dtype=np.float32),
        None,
        change_M + 1,
        np.zeros(M, bool),
        change_M,
        change_M,
    )
    advantages_PG = np.array(rewards) - np.mean(rewards, axis=1, keepdims=True)
    return groups, scores, advantages_PG, batch, report, {"generate": 0.25}


def write_weights(content):
    return lambda folder: (folder / "weights.bin").write_bytes(content)


def a_run(path, steps=6, checkpoints=(0, 2, 4), done=5):
    """A run that stopped after `done` steps."""
    with Run.create(path, load_recipe(overrides=[f"steps={steps}"])) as run:
        for step in range(done + 1):
            if step in checkpoints:
                run.checkpoint(step, write_weights(bytes([step]) * 100))
            if step < done:
                run.record(step, *a_step())
    return run


def files(path):
    return sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())


def test_a_directory_that_holds_something_is_refused(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r/notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="--resume"):
        Run.create(tmp_path / "r", load_recipe())
    assert files(tmp_path) == ["r/notes.txt"]


def test_an_empty_directory_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Run.create(".", load_recipe()) as run:
        assert files(tmp_path) == [".lock", "events.jsonl", "recipe.toml"]
    assert files(tmp_path) == ["events.jsonl", "recipe.toml"]
    assert run.remaining_steps() == range(load_recipe().steps)


def test_a_step_leaves_a_row_for_each_response(tmp_path):
    run = a_run(tmp_path / "r", done=1)
    rows = parquet.read_table(run.path / "rollouts/step-000000.parquet").to_pylist()
    assert [row["problem"] for row in rows] == ["q/0", "q/0", "q/1", "q/1"]
    assert [row["response"] for row in rows] == [0, 1, 0, 1]
    assert [row["reward"] for row in rows] == [1.0, 0.2, 0.2, 0.2]
    assert rows[0]["group_mean"] == pytest.approx(0.6) and rows[0]["advantage"] == pytest.approx(0.4)
    assert rows[0]["parts"] == {"accuracy": 1.0, "own": None}
    assert rows[1]["learner_logprobs"] == [3.0, 4.0, 5.0]  # the second response owns tokens 3 to 5
    assert rows[0]["change"] == pytest.approx([0.1] * 3) and rows[1]["change"] is None
    assert rows[0]["reference_logprobs"] is None
    assert rows[0]["seed"] == 2**62


def test_a_step_leaves_its_figures(tmp_path):
    run = a_run(tmp_path / "r", done=1)
    (line,) = read_metrics(run.path / "metrics.jsonl")
    assert line["step"] == 0 and line["loss"] == 0.5 and line["time/generate"] == 0.25
    assert line["reward"] == pytest.approx(0.4)
    assert line["reward_std"] == pytest.approx(0.8 / 2**0.5 / 2)  # sample std of (1, 0.2), and 0; their mean
    assert line["rewards/accuracy/mean"] == 0.25 and "rewards/own/mean" not in line
    assert line["completions/mean_length"] == 3.0 and line["completions/clipped_ratio"] == 0.0


def test_cut_responses_are_counted(tmp_path):
    run = Run.create(tmp_path / "r", load_recipe())
    metrics = run.record(0, *a_step(finish="length"))
    assert metrics["completions/clipped_ratio"] == 1.0 and metrics["completions/mean_terminated_length"] == 0.0


@pytest.mark.fault("B9")
def test_text_that_no_file_can_hold_is_stored_spelt_out(tmp_path):
    """B9: whoever wrote it."""
    run = Run.create(tmp_path / "r", load_recipe())
    groups, *rest = a_step(text="a\ud800\x00b")
    strange = Problem("q/\udfff", "quadratics", "\u202eSolve\ud800", "x=\udc00")
    run.record(0, [replace(groups[0], problem=strange), *groups[1:]], *rest)
    row = parquet.read_table(run.path / "rollouts/step-000000.parquet").to_pylist()[0]
    assert row["text"] == "a\\ud800\x00b" and row["problem"] == "q/\\udfff"
    assert row["prompt"] == "\u202eSolve\\ud800" and row["expected"] == "x=\\udc00"


@pytest.mark.fault("F12", "F23")
def test_a_resume_begins_at_the_newest_checkpoint_and_drops_what_lies_beyond(tmp_path):
    path = a_run(tmp_path / "r").path
    kept = [file for file in files(path) if "step-000004.parquet" not in file]
    (path / "checkpoints/.writing-step-000005").mkdir()
    (path / "checkpoints/.writing-step-000005/weights.bin").write_bytes(b"half")
    (path / "rollouts/.writing-step-000005.parquet").write_bytes(b"half")
    (path / "evaluations").mkdir()
    (path / "evaluations/step-000005.json").write_text("{}")
    with (path / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 5, "rew')
    with (path / "events.jsonl").open("a") as torn:
        torn.write('{"event": "ch')
    events = read_lines(path / "events.jsonl")

    with Run.resume(path) as run:
        pass

    assert run.remaining_steps() == range(4, 6)
    assert run.latest_checkpoint() == path / "checkpoints/step-000004"
    assert files(path) == kept
    assert [line["step"] for line in read_metrics(path / "metrics.jsonl")] == [0, 1, 2, 3]
    *before, resumed = read_lines(path / "events.jsonl")
    assert before == events and resumed["event"] == "resumed" and resumed["step"] == 4


def test_what_is_done_again_replaces_what_was(tmp_path):
    path = a_run(tmp_path / "r").path
    run = Run.resume(path)
    for step in run.remaining_steps():
        run.record(step, *a_step())
    assert [line["step"] for line in read_metrics(path / "metrics.jsonl")] == [0, 1, 2, 3, 4, 5]


def test_a_run_killed_before_its_first_checkpoint_begins_anew(tmp_path):
    path = a_run(tmp_path / "r", checkpoints=(), done=2).path
    with Run.resume(path) as run:
        pass
    assert run.remaining_steps() == range(6) and run.latest_checkpoint() is None
    assert files(path) == ["events.jsonl", "metrics.jsonl", "recipe.toml"]
    assert read_metrics(path / "metrics.jsonl") == []


def test_a_run_at_work_is_not_joined_and_may_be_read(tmp_path):
    path = a_run(tmp_path / "r").path
    with Run.resume(path):
        before = files(path)
        for begin in (lambda: Run.resume(path), lambda: Run.resume(path, ["steps=9"])):
            with pytest.raises(BlockingIOError, match=rf"process {os.getpid()} on .* is at work in {path}: wait"):
                begin()
        with pytest.raises(FileExistsError):
            Run.create(path, load_recipe())
        assert files(path) == before and find_standing(path, ["steps=9"]).done == 4
    with Run.resume(path, ["steps=9"]) as run:
        run.finish({})
        with Run.resume(path, ["steps=12"]):  # what has finished is closed
            pass


def test_two_that_begin_in_one_directory_are_not_both_let_in(tmp_path):
    lock = Lock(tmp_path)  # of one that has not written its recipe yet
    with pytest.raises(BlockingIOError, match="at work"):
        Run.create(tmp_path, load_recipe())
    lock.release()
    with Run.create(tmp_path, load_recipe()):
        pass


def test_a_resume_that_fails_holds_nothing_and_one_that_stops_leaves_nothing_half_written(tmp_path):
    path = a_run(tmp_path / "r").path
    with pytest.raises(ValueError, match="already done"):
        Run.resume(path, ["steps=3"])
    with pytest.raises(KeyboardInterrupt), Run.resume(path):
        (path / "rollouts/.writing-step-000005.parquet").write_bytes(b"half")
        raise KeyboardInterrupt
    assert not [name for name in files(path) if ".writing-" in name or ".lock" in name]


def test_a_resume_reads_its_checkpoint_once_to_verify_it(tmp_path, monkeypatch):
    path, read, digest = a_run(tmp_path / "r").path, [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: read.append(file.name) or digest(file, kind))
    with Run.resume(path) as run:
        newest = run.latest_checkpoint()
        assert newest == path / "checkpoints/step-000004" and read == [str(newest / "weights.bin")]
        assert run.checkpoint(5, write_weights(b"5")) == run.latest_checkpoint() == path / "checkpoints/step-000005"


def test_where_there_is_no_run_nothing_is_resumed(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match="no run"):
            Run.resume(path)


def test_a_finished_run_says_so_and_can_be_extended(tmp_path):
    run = a_run(tmp_path / "r", steps=4, done=4)
    run.write_evaluation("before", [{"text": "a"}], {"pass@1": 0.1})
    run.write_evaluation("after", [{"text": "a"}], {"pass@1": 0.9})
    run.finish({"gain": 1})
    with pytest.raises(ValueError, match="has finished its 4 steps"):
        Run.resume(run.path)
    with Run.resume(run.path, ["steps=8"]) as longer:
        pass
    assert longer.remaining_steps() == range(4, 8)
    assert longer.has_evaluation("before") and not longer.has_evaluation("after")
    assert load_recipe(run.path / "recipe.toml").steps == 8
    assert Run.resume(run.path).remaining_steps() == range(4, 8)  # no longer finished


def test_a_run_killed_after_its_last_step_keeps_its_closing_evaluation(tmp_path):
    run = a_run(tmp_path / "r", steps=4, done=4)
    run.write_evaluation("after", [{"text": "a"}], {"pass@1": 0.9})
    again = Run.resume(run.path)
    assert list(again.remaining_steps()) == [] and again.has_evaluation("after")


@pytest.mark.fault("F9")
def test_changes_that_change_the_meaning_are_shown_and_refused(tmp_path):
    path = a_run(tmp_path / "r").path
    before = files(path)
    with pytest.raises(ValueError, match=r"policy\.learning_rate: 0\.\d+ -> 0\.5") as refused:
        Run.resume(path, ["policy.learning_rate=0.5", "reward.rewards.py:f=1", "steps=9"])
    assert "reward.rewards.py:f: unset -> 1.0" in str(refused.value) and "steps:" not in str(refused.value)
    assert files(path) == before
    assert Run.resume(path, ["checkpoint_every=3", "seed=0"]).recipe.checkpoint_every == 3


def test_fewer_steps_than_were_done_are_refused(tmp_path):
    path = a_run(tmp_path / "r").path
    with pytest.raises(ValueError, match="already done 4 steps"):
        Run.resume(path, ["steps=3"])


def test_what_was_measured_at_the_start_is_kept(tmp_path):
    run = a_run(tmp_path / "r")
    run.settle(load_recipe(run.path / "recipe.toml", ["rollout.processes=3"]))
    assert Run.resume(run.path).recipe.rollout.processes == 3


def test_an_evaluation_is_read_as_it_was_written(tmp_path):
    run = a_run(tmp_path / "r")
    rows = [{"problem": "q/0", "right": True, "text": "a", "traits": ["formula"]}]
    assert not run.has_evaluation("before")
    run.write_evaluation("before", rows, {"pass@1": 0.5})
    figures, read = run.read_evaluation("before")
    assert figures == {"pass@1": 0.5} and read == rows


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_resumed(tmp_path, caplog):
    path = a_run(tmp_path / "r").path
    weights = path / "checkpoints/step-000004/weights.bin"
    damaged = bytearray(weights.read_bytes())
    damaged[50] ^= 1
    weights.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        run = Run.resume(path)
    assert "step-000004 is damaged (the sha256 of weights.bin differs)" in caplog.text
    assert run.remaining_steps() == range(2, 6)
    assert not (path / "checkpoints/step-000004").exists()
    assert [line["step"] for line in read_metrics(path / "metrics.jsonl")] == [0, 1]


def test_nothing_is_pickled(tmp_path):
    run = a_run(tmp_path / "r")
    run.write_evaluation("before", [{"text": "a"}], {})
    for name in files(run.path):
        assert name.endswith((".toml", ".jsonl", ".json", ".parquet", "weights.bin")), name


def test_a_torn_line_in_the_middle_is_an_error(tmp_path):
    path = tmp_path / "metrics.jsonl"
    append_line(path, {"step": 0})
    path.write_bytes(path.read_bytes() + b'{"st\n' + json.dumps({"step": 1}).encode() + b"\n")
    with pytest.raises(ValueError, match="line 2 is no JSON object"):
        read_metrics(path)


def test_a_figure_that_is_no_number_is_null(tmp_path):
    append_line(tmp_path / "metrics.jsonl", {"step": 0, "kl": float("nan"), "loss": float("inf"), "reward": 0.5})
    text = (tmp_path / "metrics.jsonl").read_text()
    assert text == '{"step": 0, "kl": null, "loss": null, "reward": 0.5}\n'


def test_directories_are_numbered_where_the_name_is_taken(tmp_path):
    assert [free_directory("nano", tmp_path / "runs").name for _ in range(3)] == ["nano", "nano-2", "nano-3"]


def test_a_resume_may_settle_anew_and_begin_with_other_engines(tmp_path):
    words = ["rollout.processes=2", "policy.processes=2", "scale.rewards=1"]
    Run.create(tmp_path / "run", load_recipe(overrides=words)).close()
    more = ["rollout.processes=0", "policy.processes=0", "scale.engines=4", "scale.least_engines=2", "scale.learners=1"]
    assert find_standing(tmp_path / "run", more).recipe.scale.least_engines == 2
    with pytest.raises(ValueError, match=r"rollout\.processes: 2 -> 3"):
        find_standing(tmp_path / "run", ["rollout.processes=3"])
