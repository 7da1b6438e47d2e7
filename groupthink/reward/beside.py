"""An event loop beside the thread that asks: what waits is timed there, and plain functions are called here.

A loop that computes times nothing: a function of the user's that takes ten seconds in it would let every sandbox and
every question to a server run out of time. So the loop has a thread of its own, and a plain function is called in the
thread that waits for the loop. There it has always been called: one at a time, for it need not be safe for threads;
where an alarm that it sets reaches it, which the main thread alone gets; and where Ctrl-C and SIGTERM end it. The loop
looks after it meanwhile: what takes longer than it may is interrupted (`interrupt.py`).
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

from groupthink.reward.interrupt import Call

T = TypeVar("T")

GRACE = 5.0
"""Seconds in which the loop ends what it has begun, sandboxes among it, where the thread that waits is interrupted."""

LOOK = 0.2
"""Seconds between two looks at a function that is being called."""

Answer = asyncio.Future[tuple[Any, Exception | None]]
"""Of what is waited for in the loop: what a function gave, or what it raised."""


def run_beside(begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What the coroutine that `begin` makes comes to; also where a loop runs already, as in a notebook.

    Raises what it raises, and what interrupts this thread meanwhile: then the coroutine is cancelled.
    """
    beside = _Beside(begin)
    try:
        beside.thread.start()
        beside.serve()
    except BaseException:
        beside.stop()
        raise
    return beside.outcome.result()


async def here(function: Callable[[], T], seconds: float | None = None) -> T:
    """What `function()` gives, called in the thread that waits in `run_beside`; at once, where none does.

    `seconds`: what it may take, of the clock (None: all the time there is). Raises TooLong where it takes longer, and
    that thread is the main one.
    """
    beside = _BESIDE.get()
    return function() if beside is None else await beside.ask(function, seconds)


class _Beside(Generic[T]):
    """A loop in a thread, and the calls that it asks for."""

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, T]]):
        self.outcome: Future[T] = Future()
        self.thread = threading.Thread(target=self._work, daemon=True)  # what hangs there must not keep the process
        self._begin = begin
        self._asked: SimpleQueue[tuple[Callable[[], Any], float | None, Answer] | None] = SimpleQueue()
        self._call: Call[Any] | None = None  # that is being made
        self._main: asyncio.Task[Any] | None = None
        self._stopped = False

    def serve(self) -> None:
        """Call what is asked for, in the order of asking, until the loop has ended (None)."""
        while (asked := self._asked.get()) is not None:
            function, seconds, answer = asked
            if answer.done():  # nobody waits for it any more: something else has failed
                continue
            value: Any = None
            error: Exception | None = None
            try:
                if seconds is None:
                    value = function()
                else:
                    self._call = Call(function, seconds)
                    value = self._call()
            except Exception as raised:
                error = raised
            self._call = None
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                answer.get_loop().call_soon_threadsafe(_settle, answer, (value, error))

    def stop(self) -> None:
        """End the loop's work, and wait for that, but not for ever."""
        self._stopped = True
        if self._main is not None:
            with suppress(RuntimeError):  # the loop may have ended meanwhile
                self._main.get_loop().call_soon_threadsafe(self._main.cancel)
        if self.thread.is_alive():
            self.thread.join(GRACE)

    async def ask(self, function: Callable[[], T], seconds: float | None) -> T:
        """In the loop: have `function` called where `serve` is, where it may take so long."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._asked.put((function, seconds, answer))
        value, error = await answer
        if error is not None:
            raise error
        return value

    def _work(self) -> None:
        try:
            self.outcome.set_result(asyncio.run(self._run()))
        except BaseException as error:
            self.outcome.set_exception(error)
        finally:
            self._asked.put(None)

    async def _run(self) -> T:
        self._main = asyncio.current_task()
        if self._stopped:  # before it had begun
            raise asyncio.CancelledError
        _BESIDE.set(self)
        looking = asyncio.create_task(self._look_after_calls())
        try:
            return await self._begin()
        finally:
            looking.cancel()

    async def _look_after_calls(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            if (call := self._call) is not None:
                call.interrupt_if_late()


_BESIDE: ContextVar[_Beside[Any] | None] = ContextVar("beside", default=None)


def _settle(answer: Answer, outcome: tuple[Any, Exception | None]) -> None:
    if not answer.done():
        answer.set_result(outcome)
