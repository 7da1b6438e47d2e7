"""What the process with the chat page's models does: it answers questions, several at a time, until the server is gone.

It is begun by `process.py`, which says what goes to and fro.
"""

import asyncio
import sys
import threading
import traceback
from contextlib import aclosing, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from groupthink.model.workers import SIGN_OF_LIFE, Closed, Mailbox
from groupthink.web.answers import dump
from groupthink.web.chat.question import Question

if TYPE_CHECKING:  # heavy: while it is imported the process must be able to say that it lives
    from groupthink.web.chat.answers import Answers

LINES, END, MISSING, WRONG, ALIVE = "lines", "end", "missing", "wrong", "alive"


class Told(NamedTuple):
    """What is said of a question: Told(7, LINES, b'{"model":0,"response":3,"part":"answer","text":"x=2"}\\n')"""

    question: int  # its number
    kind: (
        str  # LINES; END: that was all; MISSING, WRONG: it is refused, and `data` says why; ALIVE: of all, nothing yet
    )
    data: bytes = b""


def answer_questions(connection: Connection, folder: Path) -> None:
    """The life of the process. `folder`: where the runs are."""
    asyncio.run(_live(Mailbox(connection), folder))


async def _live(mailbox: Mailbox, folder: Path) -> None:
    inbox: asyncio.Queue[tuple[int, Question | None] | None] = asyncio.Queue()
    threading.Thread(target=_read, args=(mailbox, inbox, asyncio.get_running_loop()), daemon=True).start()
    opening = asyncio.create_task(asyncio.to_thread(_open, folder))
    at_work: dict[int, asyncio.Task[None]] = {}
    beating = asyncio.create_task(_beat(mailbox, at_work))
    while (message := await inbox.get()) is not None:
        number, question = message
        if question is not None:
            at_work[number] = asyncio.create_task(_answer(opening, number, question, mailbox))
        elif (left := at_work.pop(number, None)) is not None:
            left.cancel()
    beating.cancel()
    (await opening).close()


def _read(mailbox: Mailbox, inbox: asyncio.Queue, loop: asyncio.AbstractEventLoop) -> None:
    """In a thread: what the server says, and None when it is gone."""
    with suppress(Closed):
        while True:
            loop.call_soon_threadsafe(inbox.put_nowait, mailbox.recv())
    loop.call_soon_threadsafe(inbox.put_nowait, None)


def _open(folder: Path) -> "Answers":
    from groupthink.web.chat.answers import Answers

    return Answers(folder)


async def _beat(mailbox: Mailbox, at_work: dict[int, asyncio.Task[None]]) -> None:
    while True:
        await asyncio.sleep(SIGN_OF_LIFE)
        if at_work:
            mailbox.send(Told(0, ALIVE))


async def _answer(opening: "asyncio.Task[Answers]", number: int, question: Question, mailbox: Mailbox) -> None:
    begun = False
    try:
        answers = await asyncio.shield(opening)
        async with aclosing(answers.lines(question)) as found:
            async for lines in found:
                begun = True
                mailbox.send(Told(number, LINES, lines))
    except Exception as error:
        kind, why = _said(error)
        if begun or kind == LINES:  # what has begun can be told of only by a line of its own
            mailbox.send(Told(number, LINES, dump({"error": why}) + b"\n"))
        else:
            return mailbox.send(Told(number, kind, why.encode(errors="backslashreplace")))
    mailbox.send(Told(number, END))


def _said(error: Exception) -> tuple[str, str]:
    """How a failure is told, and what is said of it."""
    if isinstance(error, LookupError) and not isinstance(error, KeyError | IndexError):
        return MISSING, str(error)
    if isinstance(error, ValueError | RuntimeError):  # RuntimeError: too many wait, or nothing is drawn any more
        return WRONG, str(error)
    traceback.print_exception(error, file=sys.stderr)
    return LINES, f"this failed ({type(error).__name__}): what happened is on the server's terminal"
