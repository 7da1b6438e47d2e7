import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groupthink.run.directory import Run
from groupthink.run.lock import LOCK
from groupthink.web.reading.status import last_written, status_of, usual_seconds
from tests.web.reading.making import run_of

HERE = socket.gethostname()
TWO = [[[1, 0, 0], [1, 1, 0]]] * 2


@pytest.fixture
def run(tmp_path):
    with run_of(tmp_path / "r", TWO, "steps=5") as run:
        yield run


def at(run: Run, later: float = 1.0):
    """How things stand so many seconds after the run's newest line."""
    return status_of(run.path, last_written(run.path) + later)


def beat(run: Run, holder: str, age: float) -> None:
    """A lock that `holder` holds, and touched so many seconds before the run's newest line."""
    (run.path / LOCK).write_text(holder)
    when = last_written(run.path) - age
    os.utime(run.path / LOCK, (when, when))


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_run_at_work(run):
    assert at(run) == ("running", "step 1 was written, 1 s ago")
    assert usual_seconds(run.path) == 3.0


def test_one_that_was_closed_before_its_end(run):
    run.close()
    status, why = at(run)
    assert status == "stopped" and "after 2 steps" in why and f"--resume --run {run.path}" in why


def test_one_that_has_finished(run):
    run.finish({"steps": 5})
    assert at(run, 1e6) == ("finished", "all 5 steps are done")


def test_one_that_ended_early_says_why(run):
    run.finish({"steps": 2, "ended_early": "after step 2 of 5: no better"})
    assert at(run) == ("finished", "it ended early, after step 2 of 5: no better")


def test_one_whose_process_is_gone(run):
    beat(run, f"process {ended_process()} on {HERE}", 0)
    status, why = at(run)
    assert status == "crashed" and "is gone" in why and "--resume" in why


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux lists processes so")
def test_a_process_that_has_ended_and_is_still_listed_is_gone(run):
    process = subprocess.Popen([sys.executable, "-c", ""])
    while ") Z " not in Path(f"/proc/{process.pid}/stat").read_text():
        time.sleep(0.01)
    beat(run, f"process {process.pid} on {HERE}", 0)
    assert at(run).status == "crashed"
    process.wait()


def test_one_elsewhere_is_known_by_its_heartbeat(run):
    beat(run, "process 1 on another-machine", -50)  # 50 s after the newest line
    assert at(run, 55).status == "running"
    status, why = at(run, 50 + 3600)
    assert status == "crashed" and "no sign of life for 1 h" in why


def test_one_that_is_alive_and_does_nothing(run):
    beat(run, f"process {os.getpid()} on {HERE}", -599)
    assert at(run, 590).status == "running"
    beat(run, f"process {os.getpid()} on {HERE}", -699)
    status, why = at(run, 700)
    assert status == "stalled" and "has written nothing for 12 min" in why


def test_a_process_that_hangs(run):
    """It is there, and its heartbeat is not."""
    beat(run, f"process {os.getpid()} on {HERE}", 0)
    assert at(run, 50).status == "running"
    assert at(run, 500).status == "stalled"


def test_an_evaluation_takes_its_time(tmp_path):
    """Before the first step a model is loaded and measured, of which nothing is written."""
    with run_of(tmp_path / "r", [], "steps=5") as run:
        beat(run, f"process {os.getpid()} on {HERE}", -1800)
        assert at(run, 1800).status == "running"


def test_a_lock_that_says_nothing_is_known_by_its_heartbeat(run):
    beat(run, "", 0)
    assert at(run, 10).status == "running" and at(run, 100).status == "crashed"


def test_one_whose_engine_and_learner_disagreed_says_so(run):
    run.event("disagreement", step=1, difference=0.5, cause="all tokens differ", corrected=False)
    run.close()
    assert at(run) == ("stopped", "engine and learner disagreed in step 1: all tokens differ")


def test_a_torn_event_hides_no_other(run):
    with (run.path / "events.jsonl").open("a") as events:
        events.write('{"event": "chec')
    assert at(run).status == "running"


def test_a_heartbeat_that_went_before_it_was_looked_at(run):
    """A run that is closed just now has no lock any more."""
    (run.path / LOCK).unlink()
    assert at(run).status == "stopped"


def test_another_process_that_has_got_the_number_is_not_the_runs(run, monkeypatch):
    """After a reboot: it began long after the last heartbeat."""
    beat(run, f"process {os.getpid()} on {HERE}", 1e6)
    status, why = at(run, 100)
    assert status == "crashed" and "no sign of life" in why
    monkeypatch.setattr("groupthink.web.reading.status._began", lambda process: None)  # as where nobody can say
    assert at(run, 100).status == "crashed"
    beat(run, f"process {os.getpid()} on {HERE}", 1000)
    assert at(run, 100).status == "stalled"
