import os
import signal
import subprocess
import sys
import time

import pytest

from groupthink.model.workers import WorkerGone, Workers


def echo(connection):
    """Answers a word with the same word, and fails over what is no word."""
    while True:
        connection.send(("done", connection.recv().upper()))


def answer(workers):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if message := workers.receive(0, time.monotonic()):
            return message
        workers.wait(0, 0.1)
    raise AssertionError("no answer")


def test_a_worker_answers():
    workers = Workers(1, echo, "testing")
    try:
        workers.send(0, "word")
        assert answer(workers) == ("done", "WORD")
    finally:
        workers.close()


def test_a_worker_that_hangs_is_named(monkeypatch):
    workers = Workers(1, echo, "testing")
    try:
        os.kill(workers.processes[0].pid, signal.SIGSTOP)
        heard = time.monotonic()
        assert workers.receive(0, heard) is None
        with pytest.raises(RuntimeError, match=r"testing worker 1 .* silent for 300 s"):
            workers.receive(0, heard - 301)
    finally:
        os.kill(workers.processes[0].pid, signal.SIGCONT)
        workers.close()


def test_a_worker_that_failed_tells_why():
    workers = Workers(1, echo, "testing")
    try:
        workers.send(0, None)
        deadline = time.monotonic() + 60
        with pytest.raises(RuntimeError, match=r"testing worker 1 .* failed:\n.*Traceback"):
            while time.monotonic() < deadline:
                workers.receive(0, time.monotonic())
                workers.wait(0, 0.1)
    finally:
        workers.close()


PARENT = """
import time
from groupthink.model.workers import WorkerGone, Workers
from groupthink.rollout.worker import draw
if __name__ == "__main__":
    workers = Workers(2, draw, "rollout")
    print(*(process.pid for process in workers.processes), flush=True)
    time.sleep(60)
"""


@pytest.mark.fault("F5")
def test_workers_vanish_when_their_parent_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    parent = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment)
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(is_running(pid) for pid in pids)
    time.sleep(0.5)  # one may be importing, and another waiting for a message
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 30
    while any(is_running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(pid) for pid in pids)


def is_running(pid):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_a_message_that_a_stopped_worker_does_not_take_is_not_waited_for_for_ever():
    workers = Workers(1, echo, "testing", silence=1.0)
    try:
        workers.send(0, "word")
        answer(workers)
        os.kill(workers.processes[0].pid, signal.SIGSTOP)
        with pytest.raises(WorkerGone, match="silent for 1 s"):
            workers.send(0, "word" * 1_000_000)
        workers.replace(0)
        workers.send(0, "again")
        assert answer(workers) == ("done", "AGAIN")
    finally:
        workers.close()


def test_both_may_send_much_at_once():
    workers = Workers(1, echo, "testing", silence=30.0)
    try:
        word = "word" * 300_000
        for _ in range(4):  # of which no answer is read yet
            workers.send(0, word)
        assert [answer(workers)[1] for _ in range(4)] == [word.upper()] * 4
    finally:
        workers.close()


def raise_end_of_file(connection):
    connection.recv()
    raise EOFError("a file that was cut short")


def test_an_end_of_file_that_is_not_the_pipe_s_is_told():
    workers = Workers(1, raise_end_of_file, "testing")
    try:
        workers.send(0, "word")
        with pytest.raises(RuntimeError, match=r"(?s)failed:.*a file that was cut short"):
            answer(workers)
    finally:
        workers.close()
