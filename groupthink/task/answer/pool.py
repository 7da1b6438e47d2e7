"""Processes that compare mathematical answers, and are killed where one takes too long.

They start when they are first needed, one for each comparison that is asked for at the same time, up to `processes`.
Each is a fresh Python that is given no environment of ours but its paths; a killed one is replaced at once.
"""

import atexit
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from multiprocessing import Pipe
from queue import Empty, LifoQueue

STARTING = 120.0  # seconds in which a process must have begun, on however busy a machine
MAX_ANSWER = 64  # bytes
TURNS = 10  # times as long as one comparison may take at most, in which a worker is free again
ENDS_WITHIN = 10.0  # seconds within which a worker that was killed is gone


class TooLong(Exception):
    """A comparison did not end within its limit, or ended its process."""


class Pool:
    """Up to `processes` workers. Any thread may ask; those that find none free wait for one.

    `seconds`: how long one comparison may last. What it waits for a free worker, or for one to start, is not in it.
    """

    def __init__(self, processes: int, seconds: float):
        self.processes, self.seconds = processes, seconds
        self._free: LifoQueue[_Worker | None] = LifoQueue()  # None: one that is not started
        for _ in range(processes):
            self._free.put(None)
        self._begun: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False
        _OPEN.add(self)

    def ask(self, expected: str, found: str) -> bool | None:
        """Whether two answers in LaTeX are equal; None where one cannot be read. Raises TooLong."""
        seconds = TURNS * (STARTING + self.seconds)
        try:
            worker = self._free.get(timeout=seconds)
        except Empty:
            raise RuntimeError(
                f"none of the {self.processes} processes that compare answers was free within {seconds:g} s"
            ) from None
        try:
            if worker is None:
                worker = self._begin()
            worker.wait_until_ready()
            answer = worker.ask(expected, found, self.seconds)
        except BaseException:  # Ctrl-C among them: its answer would be taken for that of the next question
            if worker is not None:
                self._end(worker)
            worker = None
            raise
        finally:
            self._free.put(worker if worker is not None or self._closed else self._begin_anew())
        return answer

    def close(self) -> None:
        """Kill every worker. Who waits for an answer gets TooLong, who waits for a worker RuntimeError."""
        with self._lock:
            self._closed = True
            workers, self._begun = self._begun, set()
        for worker in workers:
            worker.kill()
        _OPEN.discard(self)

    def _begin(self) -> "_Worker":
        with self._lock:
            if self._closed:
                raise RuntimeError("this rule is closed: open another one")
            worker = _Worker()
            self._begun.add(worker)
        return worker

    def _begin_anew(self) -> "_Worker | None":
        """In place of one that was killed; it becomes ready while others work."""
        with suppress(RuntimeError, OSError):
            return self._begin()
        return None

    def _end(self, worker: "_Worker") -> None:
        with self._lock:
            self._begun.discard(worker)
        worker.kill()


class _Worker:
    """One process and our end of its socket."""

    def __init__(self) -> None:
        self._ready = False
        self._begun = time.monotonic()
        self._connection, theirs = Pipe()
        paths = os.pathsep.join(path for path in sys.path if path)
        kept = {
            name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH") if name in os.environ
        }
        command = [sys.executable, "-B", "-P", "-m", "groupthink.task.answer.worker", str(theirs.fileno())]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": paths},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()  # or its end would not be seen

    def wait_until_ready(self) -> None:
        if self._ready:
            return
        left = STARTING - (time.monotonic() - self._begun)
        try:
            began = self._connection.poll(max(left, 0.0)) and self._connection.recv_bytes(MAX_ANSWER) == b'"ready"'
        except (EOFError, OSError):
            began = False
        if not began:
            raise RuntimeError(
                "the process that compares mathematical answers did not start: see what "
                f"`{sys.executable} -c 'import math_verify'` says"
            )
        self._ready = True

    def ask(self, expected: str, found: str, seconds: float) -> bool | None:
        end = time.monotonic() + seconds
        try:
            self._connection.send_bytes(json.dumps([expected, found, seconds]).encode())
            if not self._connection.poll(max(0.0, end - time.monotonic())):
                raise TooLong(f"not compared within {seconds:g} s")
            answer = json.loads(self._connection.recv_bytes(MAX_ANSWER))
        except (EOFError, OSError) as error:
            raise TooLong("the comparison ended its process") from error
        return answer if isinstance(answer, bool) else None

    def kill(self) -> None:
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # the system itself holds it: it ends when that lets go
            self._process.wait(ENDS_WITHIN)
        self._connection.close()


_OPEN: "weakref.WeakSet[Pool]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for pool in list(_OPEN):
        pool.close()
