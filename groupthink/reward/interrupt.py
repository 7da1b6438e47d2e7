"""A plain function that takes too long is interrupted where it computes, as Ctrl-C would: by a signal.

That reaches what Python runs, sleeps, sockets, regular expressions. It does not reach code in C that looks at no
signals, and no thread but the main one, which alone gets them.

Who waits is sent it by another thread. That thread may never have its turn beside a computation in C, so the system
sends it, too, after so many seconds of processor time.
"""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")

NUMBER = getattr(signal, "SIGVTALRM", None)
"""The signal of the timer that counts processor time. Windows has none."""

AGAIN = 5.0
"""Seconds after which a function is interrupted once more that has not ended by then, but caught what was raised."""


class TooLong(TimeoutError):
    """It took longer than it may."""


class _Interrupted(BaseException):
    """Raised inside a function of the user's; no Exception, which the function may well catch."""


class Call(Generic[T]):
    """One call of `function()`, which may take `seconds` from now on."""

    def __init__(self, function: Callable[[], T], seconds: float):
        self.function, self.seconds = function, seconds
        self._end = time.monotonic() + seconds
        self._over = False

    def __call__(self) -> T:
        """What the function gives. Raises TooLong where it was interrupted, and what it raises."""
        if NUMBER is None or threading.current_thread() is not threading.main_thread():
            return self.function()
        before = signal.signal(NUMBER, self._interrupted)
        signal.setitimer(signal.ITIMER_VIRTUAL, self.seconds, AGAIN)
        try:
            try:
                return self.function()
            finally:
                self._over = True
        except _Interrupted:
            raise TooLong(f"it gave nothing within {self.seconds:g} s (reward.patience)") from None
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0.0)
            # One may still be on its way, and would end the process where nobody took it.
            signal.signal(NUMBER, before if callable(before) else _nothing)

    def interrupt_if_late(self) -> None:
        """To be asked from time to time, in another thread than that of the call."""
        if NUMBER is not None and not self._over and time.monotonic() >= self._end:
            signal.pthread_kill(threading.main_thread().ident or 0, NUMBER)

    def _interrupted(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if not self._over and now >= self._end:  # else it was meant for the call before this one
            self._end = now + AGAIN
            raise _Interrupted


def _nothing(number: int, frame: Any) -> None:
    pass
