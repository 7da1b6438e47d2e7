import os
import signal
import subprocess
import sys

import pytest

from groupthink.run.lock import Lock

HOLDING = """\
import subprocess, sys, time
from pathlib import Path
from groupthink.run.lock import Lock

lock = Lock(Path(sys.argv[1]))
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
print(child.pid, flush=True)
time.sleep(60)
"""
"""A process that takes the lock, starts a child, and waits."""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock of `tmp_path`, and the id of its child, which outlives it."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    yield process, child
    process.kill()
    process.wait()
    os.kill(child, signal.SIGTERM)


def test_the_holder_is_named_and_its_lock_ends_with_it_though_its_child_lives_on(holder, tmp_path):
    process, child = holder
    for _ in range(2):  # asking harms nothing
        with pytest.raises(BlockingIOError, match=rf"process {process.pid} on \S+ is at work in {tmp_path}"):
            Lock(tmp_path)
    process.kill()
    process.wait()
    os.kill(child, 0)  # it is there
    Lock(tmp_path).release()


def test_a_lock_that_was_released_leaves_nothing_and_can_be_taken_again(tmp_path):
    for _ in range(2):
        lock = Lock(tmp_path)
        assert lock.held
        lock.release()
        lock.release()
        assert not lock.held and not list(tmp_path.iterdir())


def test_what_a_killed_process_left_says_nothing_of_the_next_holder(tmp_path):
    (tmp_path / ".lock").write_text("process 1 on elsewhere, whose name is long")
    lock = Lock(tmp_path)
    with pytest.raises(BlockingIOError, match=rf"^process {os.getpid()} on \S+ is at work"):
        Lock(tmp_path)
    lock.release()
