import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupthink.rollout.vllm.other_python import Gone, OtherPython

PATIENCE = 1.5


@pytest.fixture
def other(tmp_path: Path) -> Iterator[OtherPython]:
    process = OtherPython(
        sys.executable, "tests.rollout.vllm.echo_process", {"GREETING": "hello"}, tmp_path / "log", patience=PATIENCE
    )
    process.patience = 60.0  # to start, on a busy machine
    process.send(("ready?",))
    assert wait_for(process) == ("ready?",)
    process.patience = PATIENCE
    yield process
    process.close()


def wait_for(process: OtherPython) -> object:
    process.expect()
    while (message := process.receive(0.1)) is None:
        pass
    return message


def test_it_is_spoken_with_and_has_its_own_environment(other: OtherPython):
    other.send(("where",))
    assert wait_for(other) == (sys.executable, "hello")
    other.send(["x" * 10**6])  # more than a pipe holds
    assert wait_for(other) == ["x" * 10**6]
    assert other.last_words() == "begun"


def test_a_death_is_said_with_its_cause(other: OtherPython):
    other.send(("exit", 3))
    with pytest.raises(Gone, match=rf"process {other.process.pid} ended with exit code 3"):
        wait_for(other)
    assert other.last_words().endswith("it was told to")
    with pytest.raises(Gone, match="ended with exit code 3"):
        other.send(("anything",))


def test_a_kill_is_seen_at_once(other: OtherPython):
    os.kill(other.process.pid, signal.SIGKILL)
    begun = time.monotonic()
    with pytest.raises(Gone, match="was killed by SIGKILL"):
        wait_for(other)
    assert time.monotonic() - begun < PATIENCE


@pytest.mark.parametrize("how", ["stopped", "sleeping"])
def test_silence_counts_as_a_hang_once_patience_ends(other: OtherPython, how: str):
    if how == "stopped":
        os.kill(other.process.pid, signal.SIGSTOP)
    else:
        other.send(("sleep", 60))
    begun = time.monotonic()
    with pytest.raises(Gone, match=r"gave no sign of life for 1\.5 s"):
        wait_for(other)
    assert PATIENCE <= time.monotonic() - begun < PATIENCE + 5
    other.kill()
    assert other.process.returncode == -signal.SIGKILL


def test_a_message_that_nobody_reads_is_not_waited_for_for_ever(other: OtherPython):
    os.kill(other.process.pid, signal.SIGSTOP)
    with pytest.raises(Gone, match="no sign of life"):
        other.send(["x" * 10**7])


def test_it_ends_with_what_it_was_started_by(other: OtherPython):
    other.close()
    assert other.process.returncode is not None
