"""A process that outlives this one by a moment, and kills what this one leaves where it is killed.

    python -IS reaper.py

is told of groups of processes, a line each: "+12" begins, "-12" has ended. When there is no more to read, its parent is
gone: it kills the groups that are left, whatever they are at, and ends.

The system, too, can kill a process with its parent. But what is killed so takes nobody along: a bubblewrap that ends
before its child may go on leaves that child asleep for ever. A group is killed as a whole.
"""

import atexit
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress

ENDS_WITHIN = 2.0
"""Seconds that are waited at the end of this process, for it to have ended, too."""


class Reaper:
    """Tells a process of its own which groups are to end with this one. It may be asked from several threads."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # what a fork of this process begins is none of this reaper's
        self._lock = threading.Lock()

    def watch(self, group: int) -> None:
        """Have this group killed, if it is left when this process is gone."""
        with self._lock:
            if self._owner != os.getpid():
                self._groups, self._process, self._owner = set(), None, os.getpid()
            self._groups.add(group)
            self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """This group has ended."""
        with self._lock:
            self._groups.discard(group)
            self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        if self._process is None:
            self._begin()
            return
        assert self._process.stdin is not None
        try:
            os.write(self._process.stdin.fileno(), line.encode())
        except (BrokenPipeError, BlockingIOError):  # it was killed, or stopped
            self._end(self._process)
            self._begin()

    def _begin(self) -> None:
        """Another process, which is told how things stand."""
        process = self._process = subprocess.Popen(
            [sys.executable, "-IS", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,  # it must not be killed with this one's group
        )
        assert process.stdin is not None
        os.set_blocking(process.stdin.fileno(), False)  # nobody waits for it
        atexit.register(self._close, process, os.getpid())
        for group in sorted(self._groups):
            os.write(process.stdin.fileno(), f"+{group}\n".encode())

    @staticmethod
    def _end(process: subprocess.Popen[bytes]) -> None:
        """Before it could kill what it has last heard of."""
        process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(ENDS_WITHIN)

    @staticmethod
    def _close(process: subprocess.Popen[bytes], owner: int) -> None:
        if os.getpid() == owner and process.stdin is not None:
            with suppress(OSError, subprocess.TimeoutExpired):
                process.stdin.close()
                process.wait(ENDS_WITHIN)


REAPER = Reaper()
"""This process's: it begins with the first group."""


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # which its parent may have been sent, too
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        (groups.add if line.startswith("+") else groups.discard)(int(line[1:]))
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
