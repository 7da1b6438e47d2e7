"""The process in which the chat page's models are open, as the server sees it: it is begun, asked, watched and ended.

    Apart.lines  ->  (7, question)  ->  [process: chat_work]  ->  Told(7, LINES, b"..."), ..., Told(7, END)

Torch and the models are in that process alone. The first question begins it, and `IDLE` seconds without one end it; it
ends with the server, however that ends. Every wait for it is bounded: at work it shows every few seconds that it lives.
"""

import asyncio
import itertools
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

from groupthink.model.workers import Closed, Mailbox, WorkerGone
from groupthink.processes import ENDS_WITHIN, begin
from groupthink.web.chat.question import Question
from groupthink.web.chat.work import ALIVE, END, LINES, MISSING, WRONG, Told, answer_questions

IDLE = 600.0
"""Seconds without a question after which the process is ended, and its memory given back."""

SILENCE = 60.0
"""Seconds without a word from it, while it is at work, after which it counts as hung."""

REFUSALS = {MISSING: LookupError, WRONG: ValueError}


class Apart:
    """The models of the runs in `folder`, in a process of their own; for one event loop."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._numbers = itertools.count(1)
        self._rest: asyncio.TimerHandle | None = None
        self.worker: Worker | None = None

    async def lines(self, question: Question) -> AsyncGenerator[bytes, None]:
        """Lines of JSON as they come, those together that are there together; to be closed where no more are wanted.

        Raises LookupError where there is no such run or model, ValueError for what cannot be asked of it, and
        WorkerGone where the process has died or counts as hung: the next question begins another one.
        """
        worker, number = self._at_work(), next(self._numbers)
        worker.ask(number, question)
        try:
            over = False
            while not over:
                told = await worker.told(number)
                if lines := b"".join(one.data for one in told if one.kind == LINES):
                    yield lines
                for one in told:
                    if one.kind in REFUSALS:
                        raise REFUSALS[one.kind](one.data.decode())
                    over = over or one.kind == END
        finally:
            worker.leave(number)
            if not worker.waiting:
                self._rest = asyncio.get_running_loop().call_later(IDLE, self.close)

    def close(self) -> None:
        """End the process, whatever it is at."""
        if self._rest is not None:
            self._rest.cancel()
        if self.worker is not None:
            self.worker.end("was ended")
        self.worker = None

    def _at_work(self) -> "Worker":
        if self._rest is not None:
            self._rest.cancel()
        if self.worker is None or self.worker.gone is not None:
            self.worker = Worker(self._folder)
        return self.worker


class Worker:
    """The process, and who waits for its answers."""

    def __init__(self, folder: Path):
        self.gone: str | None = None  # why it answers no more
        self.waiting: dict[int, asyncio.Queue[Told]] = {}  # what was told of each question, and not yet taken
        self._loop = asyncio.get_running_loop()
        self.process, self._connection = begin("groupthink-chat", answer_questions, folder)
        self._mailbox = Mailbox(self._connection)
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, number: int, question: Question) -> None:
        """Put a question, whose answer `told` gives until it is left."""
        self.waiting[number] = asyncio.Queue()
        self._mailbox.send((number, question))

    def leave(self, number: int) -> None:
        """Nothing more is wanted of it. (It may have come to its end already.)"""
        del self.waiting[number]
        self._mailbox.send((number, None))

    async def told(self, number: int) -> list[Told]:
        """All that is new of a question, waited for. Raises WorkerGone where nothing more will come."""
        waiting, found = self.waiting[number], list[Told]()
        if waiting.empty() and self.gone is None:
            try:
                found.append(await asyncio.wait_for(waiting.get(), SILENCE))
            except TimeoutError:
                self.end(f"has said nothing for {SILENCE:.0f} s")
        found += [waiting.get_nowait() for _ in range(waiting.qsize())]
        if self.gone is not None and all(one.kind == ALIVE for one in found):
            raise WorkerGone(
                f"the process that answers ({self.process.pid}) {self.gone}: ask again, another begins then"
            )
        return found

    def end(self, why: str) -> None:
        """End it, whatever it is at; who waits is told why."""
        if self.gone is None:
            self.gone = why
            self.process.kill()
            self._wake()

    def _take(self, told: Told) -> None:
        if told.kind == ALIVE:
            self._wake()
        elif told.question in self.waiting:
            self.waiting[told.question].put_nowait(told)

    def _wake(self) -> None:
        for waiting in self.waiting.values():
            waiting.put_nowait(Told(0, ALIVE))

    def _died(self, code: int | None) -> None:
        self.end(f"has died (exit code {code})")

    def _listen(self) -> None:
        """In a thread: hand over what it says, until it has ended."""
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            with suppress(Closed):
                while True:
                    self._loop.call_soon_threadsafe(self._take, self._mailbox.recv())
            self.process.join(ENDS_WITHIN)
            self._loop.call_soon_threadsafe(self._died, self.process.exitcode)
        self.process.kill()
        self._mailbox.flush()
        self._connection.close()  # not before: its number may become another's while it is still read or written
