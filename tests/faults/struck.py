"""Processes of the command line that may be struck, each with all that it begins."""

import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.processes import session
from tests.warm import Warm, module

PATIENCE = 100  # seconds, on a machine that is busy with other tests


class Struck(Warm):
    """`groupthink WORDS`, the leader of a session of its own.

    What it says is added to `log`; `temporary`: a folder for its files.
    """

    def __init__(self, *words: object, log: Path, temporary: Path | None = None):
        super().__init__(leading, log, *words, env={"TMPDIR": str(temporary)} if temporary else None, merged=True)
        self.log = log

    def when(self, moment: Callable[[], bool]) -> None:
        """Return when `moment()` has come, or the process has ended."""
        end = time.monotonic() + PATIENCE
        while self.poll() is None and not moment():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.0005)

    def strike(self, number: int, group: bool = False) -> None:
        """Send a signal to the process, or, as a terminal does, to its whole group."""
        with suppress(ProcessLookupError):  # it was quicker
            (os.killpg if group else os.kill)(self.pid, number)

    def code(self) -> int:
        """How it ended, by when it has."""
        return self.wait(PATIENCE)

    def begun(self) -> list[int]:
        """The living processes that it has begun, and those that they have, itself included."""
        return session(self.pid)

    def end(self) -> None:
        """Whatever it is at, and all that it has begun."""
        for pid in self.begun():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait(PATIENCE)


def leading(log: str, *words: str) -> None:
    """What `Struck` asks for, in the process itself."""
    os.setsid()
    tempfile.tempdir = None  # another folder may have been found before it was forked
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(said, number)
    os.close(said)
    module("groupthink.cli", *words)
