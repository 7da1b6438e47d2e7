"""A process beside this one that calls functions: for what may be slow, hang, eat memory, or die.

It consumes calls in order and answers each of them. A call that takes too long ends the process, and the next one
begins another. It ends with its parent.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

MEMORY = 4 * 2**30
"""Bytes that such a process may take, where the system has such a limit."""

ENVIRONMENT = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""Of such a process. In a set of texts the order is by their hashes, and some generators draw from sets. Threads would
only take memory, and the cores of others."""


class Failed(RuntimeError):
    """What was called raised, took too long, or took the process with it."""


class Aside:
    """One process, begun at the first call. Functions are named by their module, and arguments are pickled."""

    def __init__(self, seconds: float):
        self.seconds = seconds  # that a call may take; the first one imports what it needs, and has a minute more
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
        try:
            self._connection.send((function, arguments))
        except OSError:
            self.close()
            raise Failed("the process died") from None

    def receive(self) -> Any:
        """The answer to the first call that has none yet. Raises Failed; where the process ended, so did all calls."""
        if self._connection is None:
            raise Failed("the process has ended")
        seconds = self.seconds + 60 * self._fresh
        try:
            if not self._connection.poll(seconds):
                self.close()
                raise Failed(f"took more than {seconds:g} s")
            told, value = self._connection.recv()
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
            self._connection.close()
            self._process.kill()
            self._process.join()
        self._process = self._connection = None

    def _begin(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name="groupthink-task", daemon=True)
        with _environment(ENVIRONMENT):
            self._process.start()
        theirs.close()  # or the end of either process would not be seen by the other
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()
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


def _follow_parent() -> None:
    """End with the parent, whatever this process is at: no orphans, even after SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
