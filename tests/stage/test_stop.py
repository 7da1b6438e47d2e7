"""A run at work: who else may touch it, and how it ends when it is told to."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from groupthink import cli
from groupthink.recipe import load_recipe
from groupthink.run import checkpoints
from groupthink.run.checkpoints import latest_checkpoint
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from groupthink.stage import evaluate, grpo
from groupthink.stage.evaluate import evaluate_model
from tests.processes import children, living
from tests.stage.conftest import resume, to_the_end, train, weights

pytestmark = [
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="worker processes are counted in /proc"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def at_work(place, tmp_path_factory):
    """A run of two processes for each kind of work that has done a step and has many more to do, and its process."""
    run = tmp_path_factory.mktemp("runs") / "at work"
    settings = ["steps=100000", "rollout.processes=2", "policy.processes=2"]
    command = [sys.executable, "-m", "groupthink.cli", "train", place / "grpo.toml", *settings, "--run", run]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(read_metrics(run / "metrics.jsonl")) < 2:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    yield run, process
    process.kill()
    process.wait()


def test_a_run_at_work_is_joined_by_no_other_process_and_may_be_evaluated(at_work, capsys):
    run, process = at_work
    done = len(read_metrics(run / "metrics.jsonl"))
    assert cli.main(["train", "--resume", "--run", str(run)]) == 2
    said = capsys.readouterr().err
    assert f"process {process.pid} on " in said and f"is at work in {run}: wait for its end" in said
    assert evaluate_model(str(run), problems=1, samples=1)["problems"] == 1
    assert process.poll() is None and len(read_metrics(run / "metrics.jsonl")) >= done


@pytest.mark.fault("F4", "F5")
def test_sigterm_ends_a_run_and_its_workers_and_a_resume_goes_on(at_work):
    run, process = at_work
    workers = children(process.pid)
    assert len(workers) >= 2
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143 and time.monotonic() - began < 30
    assert err == f"groupthink: stopped; go on with: groupthink train --resume --run {run}\n"
    # multiprocessing's tracker of resources outlives the run by the moment in which it notices that nobody is left
    while (left := living(workers)) and time.monotonic() - began < 30:
        time.sleep(0.05)
    assert not left
    assert not [file for file in run.rglob(".*")]
    done = len(read_metrics(run / "metrics.jsonl"))
    with Run.resume(run) as resumed:
        assert resumed.remaining_steps().start == done


def interrupted_in(monkeypatch, module, name, call):
    """Ctrl-C, as Python alone raises it, in the midst of a function when it is called for the `call`th time."""
    real, calls = getattr(module, name), []

    def interrupted(*arguments, **more):
        calls.append(arguments)
        found = real(*arguments, **more)
        if len(calls) == call:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(module, name, interrupted)


LAG = ("stage=grpo_async", "rollout.lag=1", "rollout.processes=1")


@pytest.mark.parametrize("kind", ["grpo", "sft", "lag"])
def test_an_evaluation_that_a_stop_leaves_out_is_made_by_the_resume(place, tmp_path, kind):
    its = LAG if kind == "lag" else (f"stage={kind}",)
    words = ["checkpoint_every=3", "evaluate.every=2", *its, "sft.examples_per_step=2"]
    whole, run = train(tmp_path / "whole", place / "grpo.toml", *words).path, tmp_path / "run"
    begun = Run.create(run, load_recipe(place / "grpo.toml", words))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt), begun:
        interrupted_in(patch, evaluate, "evaluate", 1 if kind == "sft" else 2)
        to_the_end(begun)
    assert latest_checkpoint(run / "checkpoints").name == "step-000002"
    assert not (run / "evaluations/step-000002.json").exists()
    assert resume(run).read_evaluation("step-000002").figures == figures_of(whole)
    assert weights(run) == weights(whole)


def figures_of(run):
    return json.loads((run / "evaluations/step-000002.json").read_text())


@pytest.mark.parametrize("its", [(), LAG], ids=["in turn", "ahead"])
def test_a_stop_while_a_checkpoint_is_written_loses_no_step(place, tmp_path, its):
    words = ["checkpoint_every=2", *its]
    whole, run = train(tmp_path / "whole", place / "grpo.toml", *words).path, tmp_path / "run"
    begun = Run.create(run, load_recipe(place / "grpo.toml", words))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt), begun:
        interrupted_in(patch, checkpoints, "_seal", 2)  # the first is of what it begins with
        to_the_end(begun)
    assert latest_checkpoint(run / "checkpoints").name == "step-000002"
    resume(run)
    assert weights(run) == weights(whole)


def test_a_stop_after_the_last_step_leaves_the_checkpoints_of_a_run_that_was_left_alone(place, tmp_path, monkeypatch):
    words = ["checkpoint_every=2", "steps=5"]
    whole, run = train(tmp_path / "whole", place / "grpo.toml", *words).path, tmp_path / "run"
    begun = Run.create(run, load_recipe(place / "grpo.toml", words))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), begun:
        interrupted_in(patch, grpo, "require_agreement", 5)
        to_the_end(begun)
    resume(run)
    names = [{file.name for file in (each / "checkpoints").iterdir()} for each in (run, whole)]
    assert names == [{"step-000000", "step-000004", "step-000005"}] * 2


def test_a_process_killed_after_the_last_checkpoint_leaves_no_more_of_them(place, tmp_path, finished, monkeypatch):
    class Killed(BaseException):
        """Nothing is done after it."""

    run = tmp_path / "run"
    begun = Run.create(run, load_recipe(place / "grpo.toml"))
    with monkeypatch.context() as patch, pytest.raises(Killed), begun:
        real = checkpoints.drop_spent

        def killed(directory, *more):
            if (directory / "step-000004").exists():
                raise Killed
            real(directory, *more)

        patch.setattr(checkpoints, "drop_spent", killed)
        to_the_end(begun)
    resume(run)
    names = [{file.name for file in (each / "checkpoints").iterdir()} for each in (run, finished.path)]
    assert names[0] == names[1]


def test_what_cannot_be_kept_after_a_stop_is_said_and_made_again(place, tmp_path, monkeypatch, finished):
    run = tmp_path / "run"
    begun = Run.create(run, load_recipe(place / "grpo.toml", ["checkpoint_every=100"]))

    first = begun.checkpoint

    def full(done, *more):
        if done:
            raise OSError("no room")
        return first(done, *more)

    monkeypatch.setattr(begun, "checkpoint", full)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt) as raised, begun:
        interrupted_in(patch, grpo, "generate", 3)
        to_the_end(begun)
    assert raised.value.__notes__ == ["its last steps could not be kept (no room), and are made again"]
    assert latest_checkpoint(run / "checkpoints").name == "step-000000"
    resume(run, "checkpoint_every=1")
    assert weights(run) == weights(finished.path)


def test_of_an_update_that_is_torn_nothing_is_kept(place, tmp_path, monkeypatch, finished):
    run = tmp_path / "run"
    begun = Run.create(run, load_recipe(place / "grpo.toml", ["checkpoint_every=100"]))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt), begun:
        interrupted_in(patch, torch.optim.AdamW, "step", 2)
        to_the_end(begun)
    assert latest_checkpoint(run / "checkpoints").name == "step-000000"
    resume(run, "checkpoint_every=1")
    assert weights(run) == weights(finished.path)
