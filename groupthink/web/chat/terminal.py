"""`groupthink chat`: a conversation in a terminal, or line by line through pipes."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from groupthink.chain import CLOSE, OPEN
from groupthink.nearest import nearest
from groupthink.records import Message
from groupthink.run.printable import printable, storable

if TYPE_CHECKING:
    from groupthink.web.serve.opened import Opened
    from groupthink.web.serve.transcript import Delta, Transcript

HELP = """/reset           begin a new conversation
/temperature T   draw with another temperature; 0: always the likeliest token
/quit            end (so does Ctrl-D); Ctrl-C stops a response
//...            a message that begins with a stroke"""
COMMANDS = ("/reset", "/temperature", "/quit", "/exit", "/help")

DIM, BRIGHT = "\x1b[2m", "\x1b[0m"


class Screen:
    """Where a response is written: on a terminal its reasoning is dimmed, elsewhere it stands between its tags.

    Whatever the model writes, nothing of it commands the terminal.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream
        self.dims = stream.isatty() and os.environ.get("TERM") != "dumb" and "NO_COLOR" not in os.environ
        self._reasons = self._answered = False

    def show(self, delta: "Delta") -> None:
        """What is new of a response."""
        if delta.reasoning:
            self._write(("" if self._reasons else self._before) + printable(delta.reasoning))
            self._reasons = True
        if delta.answer:
            if self._reasons and not self._answered:
                self._write((BRIGHT if self.dims else CLOSE) + "\n")
            self._write(printable(delta.answer))
            self._answered = True

    def end(self, note: str = "") -> None:
        """The response is over; `note`: what is said of it, on a terminal alone."""
        if self.dims and self._reasons and not self._answered:
            self._write(BRIGHT)
        if note and self.stream.isatty():
            self._write(f"\n{DIM}{note}{BRIGHT}" if self.dims else f"\n({note})")
        self._write("\n")
        self._reasons = self._answered = False

    @property
    def _before(self) -> str:
        return DIM if self.dims else OPEN

    def _write(self, text: str) -> None:
        # A stream that cannot say a sign says which one it was.
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self.stream.flush()


@dataclass(slots=True)
class Conversation:
    """What was said so far, and how the model is asked to go on."""

    opened: "Opened"
    temperature: float = 1.0
    max_tokens: int | None = None
    system: str = ""
    seed: int | None = None
    said: tuple[Message, ...] = ()

    def reset(self) -> None:
        """Forget what was said."""
        self.said = ()

    def ask(self, text: str, stopped: Callable[[], bool] = lambda: False) -> "Iterator[tuple[Delta, Transcript]]":
        """What the answer is made of, as it is drawn, until it ends or `stopped` says so.

        Raises NoRoom where the conversation has become too long for the model.
        """
        from groupthink.rollout.engine import Sampling
        from groupthink.rollout.noise import mix
        from groupthink.web.serve.transcript import LENGTH, STOP, Piece, Token, Transcript

        opened, engine = self.opened, self.opened.engine
        asked: tuple[Message, ...] = (*self.said, {"role": "user", "content": text})
        first: tuple[Message, ...] = ({"role": "system", "content": self.system},) if self.system else ()
        prompt_ids = opened.chat.encode((*first, *asked))
        sampling = Sampling(opened.max_tokens(engine.room(prompt_ids), self.max_tokens), self.temperature)
        seed = mix("chat", time.time_ns() if self.seed is None else self.seed, len(self.said))
        handle = engine.submit(prompt_ids, sampling, seed)
        transcript = Transcript(opened.decode, opened.chat.opening)
        for _, ids in handle:
            tokens = [Token(id, 0.0) for id in ids]
            yield transcript.add(Piece(0, tokens, STOP if ids[-1] in engine.stop_ids else None)), transcript
            if stopped():
                handle.cancel()
        yield transcript.add(Piece(0, [], LENGTH)), transcript
        self.said = (*asked, {"role": "assistant", "content": transcript.answer})


def chat(
    name: str,
    *,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    system: str = "",
    seed: int | None = None,
    trust_remote_code: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Talk with the model `name` on standard input and output, until the input ends. Raises as `open_model` does."""
    _require_temperature(temperature)
    tell(f"opening {name}")
    from groupthink.web.serve.opened import open_model

    opened = open_model(name, trust_remote_code=trust_remote_code)
    if sys.stdin.isatty():
        tell(f"{name} listens; /help says what else there is")
    talk(Conversation(opened, temperature, max_tokens, system, seed), _lines(sys.stdin), Screen(sys.stdout), tell)


def talk(conversation: Conversation, lines: Iterator[str], screen: Screen, tell: Callable[[str], None]) -> None:
    """Answer each line; those that begin with a stroke are commands. `tell` is told what is no answer."""
    for line in lines:
        line = storable(line.strip())
        if line in ("/quit", "/exit"):
            return
        if line.startswith("/") and not line.startswith("//"):
            _obey(line, conversation, tell)
        elif line:
            _answer(conversation, line.removeprefix("/") if line.startswith("//") else line, screen, tell)


def _answer(conversation: Conversation, text: str, screen: Screen, tell: Callable[[str], None]) -> None:
    from groupthink.rollout.engine import NoRoom

    begun, note = time.perf_counter(), ""
    try:
        with _stoppable() as pressed:
            for delta, transcript in conversation.ask(text, lambda: bool(pressed)):
                screen.show(delta)
                cut = " (stopped)" if pressed else " (cut)" if transcript.finish == "length" else ""
                note = f"{transcript.tokens} tokens in {time.perf_counter() - begun:.1f} s{cut}"
    except NoRoom:
        return tell("the conversation has become too long for the model: /reset begins a new one")
    screen.end(note)


def _obey(line: str, conversation: Conversation, tell: Callable[[str], None]) -> None:
    command, _, rest = line.partition(" ")
    match command:
        case "/reset":
            conversation.reset()
            tell("a new conversation")
        case "/temperature":
            try:
                temperature = float(rest)
                _require_temperature(temperature)
            except ValueError:
                return tell(f"the temperature is {conversation.temperature:g}; /temperature 0.6 changes it")
            conversation.temperature = temperature
            tell(f"the temperature is {temperature:g}")
        case "/help":
            tell(HELP)
        case _:
            meant = nearest(command, COMMANDS)
            tell(f"there is no {printable(command)}: did you mean {meant}? (a message may begin with //)")


def _require_temperature(temperature: float) -> None:
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"the temperature is {temperature}: give a number from 0 (greedy) upwards")


def _lines(stream: TextIO) -> Iterator[str]:
    """What is typed, with a sign that waits for it and with a history; or the lines of a pipe."""
    if not stream.isatty():
        yield from stream
        return
    with suppress(ImportError):  # Windows has none
        import readline  # noqa: F401  (from now on input() has a history)
    while True:
        try:
            yield input("> ")
        except EOFError:
            print()
            return


@contextmanager
def _stoppable() -> Iterator[list[bool]]:
    """On a terminal Ctrl-C ends no more than the response: it is noted in what this gives."""
    pressed: list[bool] = []
    if not sys.stdin.isatty():
        yield pressed
        return
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(True))
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
