"""A process beside this one: what it answers, and that it neither hangs this one nor outlives it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from groupthink.task.aside import MEMORY, Aside, Failed


def test_it_answers_in_order_and_says_what_was_raised():
    aside = Aside(30.0)
    try:
        for number in (3, 4):
            aside.send(pow, number, 2)
        assert [aside.receive(), aside.receive()] == [9, 16]
        with pytest.raises(Failed, match="ZeroDivisionError"):
            aside.call(divmod, 1, 0)
        assert aside.call(os.getenv, "PYTHONHASHSEED") == "0"
        if sys.platform == "linux":  # elsewhere there is no such limit
            with pytest.raises(Failed, match="MemoryError"):
                aside.call(bytes, MEMORY)
        first = aside.call(os.getpid)
        aside.seconds = 0.5
        with pytest.raises(Failed, match=r"took more than 0\.5 s"):
            aside.call(time.sleep, 60)
        assert not aside.alive
        with pytest.raises(Failed, match="died"):
            aside.call(os._exit, 3)
        aside.opening = 20.0  # of every process that is begun anew, not of the first one alone
        assert aside.call(os.getpid) != first
    finally:
        aside.close()


def test_it_ends_with_its_parent_even_when_that_is_killed(tmp_path):
    program = """
import os, sys, time
from groupthink.task.aside import Aside
if __name__ == "__main__":
    aside = Aside(60.0)
    print(aside.call(os.getpid), flush=True)
    aside.call(time.sleep, 60)
"""
    (tmp_path / "parent.py").write_text(program)
    with subprocess.Popen([sys.executable, tmp_path / "parent.py"], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                os.kill(child, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
    pytest.fail("the child goes on")
