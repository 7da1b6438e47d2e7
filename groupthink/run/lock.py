"""One process at a time works in a run directory. The lock is the operating system's: it ends with its process."""

import os
import re
import socket
import weakref
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from groupthink.run import heartbeat

LOCK = ".lock"
"""The locked file. It says who works in the directory, by its heartbeat that they still do, and is gone afterwards."""


_HOLDER = re.compile(r"process (\d+) on (.+)")


class Lock:
    """The right to write into `directory`, from now until `release`, or until this process ends, however it does.

    Child processes do not inherit it. Raises BlockingIOError where another holds it.
    """

    def __init__(self, directory: Path):
        self._file = directory / LOCK
        self._lock = FileLock(self._file, blocking=False, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise BlockingIOError(
                f"{_named(self._file)} is at work in {directory}: wait for its end, or name another run with --run"
            ) from None
        with suppress(PermissionError):  # Windows lets nobody write to a locked file: there the holder stays unnamed
            self._file.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
        self._end_beat = weakref.finalize(self, heartbeat.begin(self._file).set)  # a lock that is forgotten is let go

    @property
    def held(self) -> bool:
        """Whether it was not released yet."""
        return self._lock.is_locked

    def release(self) -> None:
        """Let another take it. Nothing happens where that was done before."""
        if self.held:
            self._end_beat()
            with suppress(PermissionError):  # Windows removes no open file; elsewhere it must go while it is locked
                self._file.unlink(missing_ok=True)
            self._lock.release()


def holder(file: Path) -> tuple[int | None, str]:
    """The process that holds a lock, and its machine, as the lock says."""
    found = None
    with suppress(OSError, ValueError):
        found = _HOLDER.fullmatch(file.read_text(encoding="utf-8").strip())
    return (int(found[1]), found[2]) if found else (None, "")


def is_abandoned(file: Path) -> bool:
    """Whether whoever held it is known to be gone: a process of this machine that is there no more."""
    process, machine = holder(file)
    return process is not None and machine == socket.gethostname() and not is_alive(process)


def is_alive(process: int) -> bool:
    """Whether there is such a process on this machine; on Windows nobody knows, and the heartbeat alone tells."""
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    try:  # one that has ended, and whose parent did not ask, is still listed
        return listed(process)[:1] != ["Z"]
    except OSError:
        return True


def listed(process: int) -> list[str]:
    """What Linux lists of a process, from its state on: what stands before is its name, which may hold anything."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _named(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="utf-8") or "another process"
    return "another process"
