"""Signals that ask this process to end, and what is finished before it does."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SAME_STOP = 1.0
"""Seconds in which a second signal is the first once more: `timeout` and others tell a process and then its group."""

PATIENCE = 20.0
"""Seconds for which a stop waits, for all that is finished first: who sends SIGTERM kills after 30, as a rule."""


class Stopped(KeyboardInterrupt):
    """A signal asked this process to end: SIGINT (Ctrl-C), or SIGTERM, as a batch system or a container sends it.

    `torn`: in the midst of what was to be finished first.
    """

    def __init__(self, number: int, torn: bool = False):
        super().__init__()
        self.number = number
        self.code = 128 + number  # what a shell reports of a process that a signal ended
        self.torn = torn


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """SIGINT and SIGTERM raise `Stopped` inside. A further one ends the process at once, whatever it is at."""
    _asked.forget()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}  # nohup's wish
    try:
        for number in before:
            signal.signal(number, _asked.take)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _asked.forget()


@contextmanager
def finished_first() -> Iterator[None]:
    """A stop that comes inside waits for the end and is raised there, or after `PATIENCE` seconds (`waiting_at_most`).

    What ends inside before its time (such a late stop, Ctrl-C where `stopped_by_signals` is not used, or an error after
    a stop) is raised as a `Stopped` that is torn.
    """
    _asked.begin_waiting()
    try:
        yield
    except KeyboardInterrupt as interrupted:
        number = interrupted.number if isinstance(interrupted, Stopped) else signal.SIGINT
        raise Stopped(number, torn=True) from interrupted
    except Exception as error:
        if _asked.number is None:
            raise
        raise Stopped(_asked.number, torn=True) from error
    finally:
        _asked.end_waiting()
    if _asked.number is not None:
        raise Stopped(_asked.number)


@contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """A stop waits for so long inside, in place of `PATIENCE`."""
    _asked.patience = seconds
    try:
        yield
    finally:
        _asked.patience = None


@contextmanager
def in_time() -> Iterator[None]:
    """For what is done after a stop: it is interrupted by another `Stopped` when the stop has waited long enough."""
    _asked.begin_waiting()
    _asked.watch()
    try:
        yield
    finally:
        _asked.end_waiting()


def stop_was_asked() -> bool:
    """Whether a signal has come: Python drops what is raised where nobody can take it, as in a `__del__`."""
    return _asked.number is not None


class _Asked:
    """What signals have asked of this process."""

    def __init__(self) -> None:
        self.waits = False  # a stop does, for what is finished first
        self.patience: float | None = None  # seconds; None: `PATIENCE`
        self.forget()

    def forget(self) -> None:
        self.number: int | None = None
        self._since: float | None = None  # by time.monotonic
        self._late = False
        self._finished = threading.Event()

    def take(self, number: int, frame: FrameType | None) -> None:
        """The handler of both signals."""
        if self._late:
            self._late = False
            raise Stopped(number)
        if self.number is None:
            self.number, self._since = number, time.monotonic()
            if not self.waits:
                raise Stopped(number)
            self.watch()
        elif self._since is not None and time.monotonic() - self._since > SAME_STOP:
            if os.isatty(2):
                _say("\x1b[?25h")  # the cursor, which a live view hides
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    def begin_waiting(self) -> None:
        self._finished = threading.Event()
        self.waits = True

    def end_waiting(self) -> None:
        self.waits = False
        self._finished.set()

    def watch(self) -> None:
        """Have a stop not wait for ever."""
        waited = 0.0 if self._since is None else time.monotonic() - self._since
        number = signal.SIGINT if self.number is None else self.number
        left = max(0.0, (PATIENCE if self.patience is None else self.patience) - waited)
        threading.Thread(target=self._wait, args=(self._finished, number, left), name="stop", daemon=True).start()

    def _wait(self, finished: threading.Event, number: int, left: float) -> None:
        """Beside the main thread, which may be in the midst of a call that only a signal ends."""
        if finished.wait(min(left, SAME_STOP)):
            return
        _say(f"groupthink: ends when what is in hand is kept, within {left:.0f} seconds; at once, if asked again\n")
        if not finished.wait(max(0.0, left - SAME_STOP)):
            self._late = True
            signal.pthread_kill(threading.main_thread().ident or 0, number)


_asked = _Asked()


def _say(line: str) -> None:
    """Whatever the main thread is at."""
    os.write(2, line.encode())
