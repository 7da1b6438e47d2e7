"""A run at work: who else may touch it, and how it ends when it is told to."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groupthink import cli
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from groupthink.stage.evaluate import evaluate_model
from tests.processes import children, living

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
        assert resumed.remaining_steps().start in (done - 1, done)  # it may have ended before its last checkpoint
