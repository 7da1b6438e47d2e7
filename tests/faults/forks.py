"""Processes of the command line that are under way at once: forks of one that has imported what they need."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.processes import session

PATIENCE = 100  # seconds, on a machine that is busy with other tests

FORKING = """\
import json, os, signal, sys, tempfile
import pandas, pyarrow.parquet
import groupthink.run.terminal, groupthink.stage, groupthink.stage.grpo
from groupthink import cli

for line in iter(sys.stdin.readline, ""):
    words, log, temporary = json.loads(line)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        if temporary:
            os.environ["TMPDIR"] = tempfile.tempdir = temporary
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        sys.exit(cli.main(words))
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Fork:
    """A process of the command line, the leader of a session of its own."""

    pid: int
    log: Path
    forking: subprocess.Popen

    def when(self, moment: Callable[[], bool]) -> None:
        """Return when `moment()` has come, or the process has ended."""
        end = time.monotonic() + PATIENCE
        while self.alive() and not moment():
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.0005)

    def strike(self, number: int, group: bool = False) -> None:
        """Send a signal to the process, or, as a terminal does, to its whole group."""
        with suppress(ProcessLookupError):  # it was quicker
            (os.killpg if group else os.kill)(self.pid, number)

    def code(self) -> int:
        """How it ended, by when it has."""
        return int(self.forking.stdout.readline())

    def alive(self) -> bool:
        return (stat := Path(f"/proc/{self.pid}/stat")).exists() and ") Z " not in stat.read_text()

    def begun(self) -> list[int]:
        """The living processes that it has begun, and those that they have, itself included."""
        return session(self.pid)


class Forks:
    """One process, which forks; one fork at a time."""

    def __init__(self) -> None:
        command = [sys.executable, "-c", FORKING]
        self.forking = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.last: Fork | None = None

    def begin(self, *words: object, log: Path, temporary: Path | None = None) -> Fork:
        """Begin `groupthink` with these words. What it says is added to `log`; `temporary`: a folder for its files."""
        self.forking.stdin.write(json.dumps([list(map(str, words)), str(log), str(temporary or "")]) + "\n")
        self.forking.stdin.flush()
        self.last = Fork(int(self.forking.stdout.readline()), log, self.forking)
        return self.last

    def close(self) -> None:
        self.forking.kill()
        self.forking.communicate()
        for pid in self.last.begun() if self.last else ():
            os.kill(pid, signal.SIGKILL)
