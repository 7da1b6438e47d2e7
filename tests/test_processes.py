"""Processes beside this one, and beside those."""

import os
import signal
import time
from pathlib import Path

from groupthink.processes import begin, end


def test_a_process_may_begin_others_and_they_end_with_it():
    process, connection = begin("outer", outer)
    assert connection.poll(60)
    inner = connection.recv()
    assert isinstance(inner, int), inner
    os.kill(process.pid, signal.SIGKILL)
    begun = time.monotonic()
    while alive(inner):
        assert time.monotonic() - begun < 20, "it outlives who began it"
        time.sleep(0.02)
    end(process, connection)


def outer(connection):
    try:
        _, other = begin("inner", report)
        connection.send(other.recv())
        time.sleep(600)
    except AssertionError as error:
        connection.send(str(error))


def report(connection):
    connection.send(os.getpid())
    time.sleep(600)


def alive(pid):
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except (FileNotFoundError, ProcessLookupError):
        return False
