"""A process beside this one that calls functions: for what may be slow, hang, eat memory, or die.

It consumes calls in order and answers each of them. A call that takes too long ends the process, and the next one
begins another. It ends with its parent.
"""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from groupthink import processes

MEMORY = 4 * 2**30
"""Bytes that such a process may take, where the system has such a limit."""

ENVIRONMENT = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of such a process. In a set of texts the order is by their hashes, and some generators draw from sets. Threads would
only take memory, and the cores of others."""


class Failed(RuntimeError):
    """What was called raised, took too long, or took the process with it."""


class Aside:
    """One process, begun at the first call. Functions are named by their module, and arguments are pickled."""

    def __init__(self, seconds: float, opening: float = 60.0):
        self.seconds = seconds  # that a call may take
        self.opening = opening  # that the first call of a process may take beside: it imports what it needs
        self._process: Any = None
        self._connection: Connection | None = None
        self._fresh = True

    @property
    def alive(self) -> bool:
        """Whether a process is there that answers."""
        return self._connection is not None

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function` gives. Raises Failed."""
        self.send(function, *arguments)
        return self.receive()

    def send(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Ask for a call. Raises Failed where nobody is there to hear of it."""
        if self._connection is None:
            self._begin()
        assert self._connection is not None
        processes.limit(self._connection, self._seconds)
        try:
            self._connection.send((function, arguments))
        except BlockingIOError:
            raise self._late() from None
        except OSError:
            self.close()
            raise Failed("the process died") from None

    def receive(self) -> Any:
        """The answer to the first call that has none yet. Raises Failed; where the process ended, so did all calls."""
        if self._connection is None:
            raise Failed("the process has ended")
        try:
            if not self._connection.poll(self._seconds):
                raise self._late()
            told, value = self._connection.recv()
        except BlockingIOError:  # it stopped in the middle of an answer
            raise self._late() from None
        except (EOFError, OSError):
            self.close()
            raise Failed("the process died") from None
        self._fresh = False
        if told == "failed":
            raise Failed(value)
        return value

    def close(self) -> None:
        """End it, whatever it is at."""
        if self._connection is not None:
            processes.end(self._process, self._connection)
        self._process = self._connection = None

    @property
    def _seconds(self) -> float:
        return self.seconds + self.opening * self._fresh

    def _late(self) -> Failed:
        late = Failed(f"took more than {self._seconds:g} s")
        self.close()
        return late

    def _begin(self) -> None:
        with _environment(ENVIRONMENT):
            self._process, self._connection = processes.begin("groupthink-task", _serve)
        self._fresh = True


@contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Processes that begin here have these variables; this one has its own again afterwards."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _serve(connection: Connection) -> None:
    _limit_memory()
    while True:
        try:
            function, arguments = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = ("done", function(*arguments))
        except Exception as error:
            answer = ("failed", "".join(traceback.format_exception_only(error)).strip())
        with suppress(OSError):
            connection.send(answer)


def _limit_memory() -> None:
    with suppress(ImportError, ValueError, OSError):
        import resource

        # Not the address space: libraries that the parent's main module imports may map much more than they use.
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
