"""What outlives a process is killed, and it is killed whole: also what was told of no parent."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from groupthink.reward.reaper import Reaper
from tests.processes import living
from tests.reward.sandboxed import needs_bubblewrap, wait_for, with_words

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc")

LEAVES_ITS_CHILD = """\
#!/bin/sh
[ "$1" = --args ] && cat /dev/fd/$2 > /dev/null
sleep {seconds} > /dev/null 2>&1 &
{dies}
kill -9 $$
"""
"""As bubblewrap does where it is killed before its child may go on: that sleeps, and hears of nothing."""

WITH_US = "while kill -0 $PPID; do sleep 0.01; done"

STRUCK = """
import asyncio, os, random, signal, threading, time
from groupthink.reward.sandbox import Confinement, output_of

where, draw = Confinement(seconds=100, memory={memory}), random.Random({memory})

async def several():
    await asyncio.gather(*(output_of("import time; time.sleep(1000)", "", where) for _ in range({at_once})))

def strike(moment):
    time.sleep(moment)
    os.kill(os.getpid(), signal.SIGKILL)

for _ in range({times}):
    moment = draw.uniform(0, {latest})
    pid = os.fork()
    if pid == 0:
        threading.Thread(target=strike, args=(moment,)).start()
        asyncio.run(several())
    os.waitpid(pid, 0)
"""


@pytest.fixture
def sleeper():
    """A group of two processes; the first of them ends as it is told, and the other stays."""
    begun = []

    def begin():
        script = "sleep 1000 & echo $!; read line"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        begun.append(subprocess.Popen(["sh", "-c", script], start_new_session=True, text=True, **pipes))
        return begun[-1], int(begun[-1].stdout.readline())

    yield begin
    for process in begun:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        process.stdout.close()


@pytest.fixture
def watching(monkeypatch):
    mine = Reaper()
    yield mine
    if mine._process is not None:
        mine._end(mine._process)
        mine._process.stdin.close()


def left_by(mine: Reaper):
    """What is left where the process that asked is gone: its end of the pipe is closed."""
    mine._process.stdin.close()
    assert mine._process.wait(10) == 0


def test_what_is_left_is_killed_as_a_whole_and_what_has_ended_is_not(watching, sleeper):
    (first, of_first), (second, of_second) = sleeper(), sleeper()
    for process in (first, second):
        watching.watch(process.pid)
    watching.forget(second.pid)
    first.stdin.close()
    assert first.wait(10) >= 0  # its child stays
    assert living([of_first]) == [of_first]
    left_by(watching)
    wait_for(lambda: living([of_first]) == [])
    assert sorted(living([second.pid, of_second])) == sorted([second.pid, of_second])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_is_gone_or_stopped_is_replaced_and_the_next_knows_all(number, watching, sleeper):
    (first, of_first), (second, of_second) = sleeper(), sleeper()
    watching.watch(first.pid)
    before = watching._process
    os.kill(before.pid, number)
    end = time.monotonic() + 10
    while watching._process is before:  # until its pipe is full, or is seen to be closed
        assert time.monotonic() < end
        watching.watch(second.pid)
    assert before.returncode is not None
    left_by(watching)
    wait_for(lambda: living([first.pid, of_first, second.pid, of_second]) == [])


def test_signals_that_end_its_parent_do_not_end_it(watching, sleeper):
    first, of_first = sleeper()
    watching.watch(first.pid)
    time.sleep(0.2)  # it has begun
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(watching._process.pid, number)
    left_by(watching)
    wait_for(lambda: living([of_first]) == [])


def test_it_ends_with_a_process_that_ends_by_itself():
    program = "from groupthink.reward.reaper import REAPER\nREAPER.watch(99999999)\nprint(REAPER._process.pid)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "") and not living([int(done.stdout)])


@pytest.mark.fault("S3")
@pytest.mark.parametrize("struck", ["we are killed", "bubblewrap alone is killed"])
def test_a_bubblewrap_that_leaves_its_child_asleep_leaves_nothing(struck, tmp_path):
    seconds = f"1000{os.getpid()}"
    fake = tmp_path / "bwrap"
    fake.write_text(LEAVES_ITS_CHILD.format(seconds=seconds, dies=WITH_US if struck == "we are killed" else ""))
    fake.chmod(0o755)
    program = "import asyncio\nfrom groupthink.reward.sandbox import Confinement, output_of\n" + (
        "print(asyncio.run(output_of('print(1)', '', Confinement())))"
    )
    ours = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
    )
    if struck == "we are killed":
        wait_for(lambda: with_words(f"sleep {seconds}"))
        ours.kill()
        ours.communicate(timeout=30)
    else:
        assert ours.communicate(timeout=30)[0] == "None\n"
    wait_for(lambda: not with_words(f"sleep {seconds}"))


@needs_bubblewrap
@pytest.mark.fault("S3", "F5")
def test_killed_at_any_moment_we_leave_nothing():
    memory = 400
    program = STRUCK.format(memory=memory, at_once=6, times=20, latest=0.04)
    subprocess.run([sys.executable, "-c", program], check=True, timeout=200)
    wait_for(lambda: not with_words(f" 100 {memory}"))
