"""What happens to runs, told as it happens: server-sent events, and the same for those who ask now and again.

A browser that was cut off says which event it saw last, and is told all that came after it. Of one run the ids are
places in its files, which outlive this server; of all runs together they count what this server has told.
"""

import asyncio
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol

from groupthink.web.answers import dump
from groupthink.web.following import Event, Follower
from groupthink.web.reading.places import Places

EVERY = 0.5
"""Seconds between two looks at the files."""

NAMES_EVERY, NAMES_TIMES = 3.0, 20.0
"""Seconds between two looks for new runs, and as many times what such a look takes: a folder may be large."""

QUIET = 15.0
"""Seconds without an event after which a comment is sent: what stands between must not take the line for dead."""

REMEMBERED = 10_000
"""Events of all runs that can be told again."""


class Source(Protocol):
    """Somewhere events come from."""

    @property
    def id(self) -> str:
        """Where it is: what comes after this id is fresh."""
        ...

    def fresh(self) -> list[Event]:
        """What has happened since it was asked last. It reads files."""
        ...


class Ending:
    """That this server ends: whoever waits for it wakes."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def now(self) -> None:
        """End; to be called in the server's event loop."""
        self._event.set()

    async def within(self, seconds: float) -> bool:
        """Wait so long; whether it ends."""
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except TimeoutError:
            return False
        return True


class Journal:
    """What happens to all runs, in one order, with a number for each event. Every `Reader` reads it by itself."""

    def __init__(self, places: Places):
        self._places = places
        self._begun = secrets.token_hex(4)  # the numbers of another server mean nothing here
        self._followers: dict[str, Follower] = {}
        self._events: deque[tuple[int, Event]] = deque(maxlen=REMEMBERED)
        self._count = 0
        self._looked = self._list_at = 0.0
        self._lock = threading.Lock()

    def look(self) -> None:
        """Look at the files, unless that was done just now."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked < EVERY / 2:
                return
            self._looked = now
            if now >= self._list_at:
                self._list(first=self._list_at == 0)
                self._list_at = time.monotonic() + max(NAMES_EVERY, NAMES_TIMES * (time.monotonic() - now))
            for follower in self._followers.values():
                for event in _fresh(follower):
                    self._count += 1
                    self._events.append((self._count, event._replace(id=self.id_of(self._count))))

    def reader(self, after: str, whole: str | None = None) -> "Reader":
        """One that reads on after an id, or from now on; of the recipe of several stages called `whole` alone, or of
        all runs. Of that recipe it is told at first how it stands.
        """
        begun, _, number = after.partition("-")
        known = begun == self._begun and number.isdecimal() and len(number) < 19
        first = self._events[0][0] if self._events else self._count + 1
        lost = bool(after) and not (known and first - 1 <= int(number) <= self._count)
        return Reader(self, int(number) if known and not lost else self._count, lost, whole, first=not after)

    def standing(self, name: str) -> list[Event]:
        """How a run stood when it was looked at last, where that is known."""
        with self._lock:
            follower = self._followers.get(name)
            return [] if follower is None or not follower.status else [follower.standing()]

    def after(self, number: int) -> tuple[list[Event], int]:
        """The events that are remembered after that number, and the number of the newest."""
        with self._lock:
            return [event for count, event in self._events if count > number], self._count

    def id_of(self, number: int) -> str:
        """The id of the event of that number."""
        return f"{self._begun}-{number}"

    def _list(self, first: bool) -> None:
        for name in (names := self._places.names()):
            if name not in self._followers:
                try:
                    follower = Follower(name, self._places.path(name), whole=not first)
                except LookupError:
                    continue
                if first:
                    _fresh(follower)  # how it stands now, which the list of runs has told
                self._followers[name] = follower
        for name in self._followers.keys() - set(names):
            del self._followers[name]


def _fresh(follower: Follower) -> list[Event]:
    """Of a run whose files cannot be read nothing is told, and of the others what there is."""
    try:
        return follower.fresh()
    except Exception:  # whatever stands in them: the run's card says it
        return []


class Reader:
    """One who reads a journal: all of it, or what is of `whole` and its stages."""

    def __init__(self, journal: Journal, number: int, lost: bool, whole: str | None, first: bool):
        self._journal, self._number, self._lost = journal, number, lost
        self._whole, self._first = whole, first and whole is not None

    @property
    def id(self) -> str:
        """That of the last event that was read."""
        return self._journal.id_of(self._number)

    def fresh(self) -> list[Event]:
        """What was not read yet."""
        self._journal.look()
        found, self._number = self._journal.after(self._number)
        if self._lost:
            self._lost = False
            return [Event("reset", {}, self.id)]
        if self._whole is None:
            return found
        found = [event for event in found if f"{event.data['run']}/".startswith(f"{self._whole}/")]
        if self._first:
            self._first = False
            found = [event._replace(id=self.id) for event in self._journal.standing(self._whole)] + found
        return found


async def stream(
    source: Source, ending: Ending, in_thread: Callable[[Callable[[], list[Event]]], Awaitable[list[Event]]]
) -> AsyncIterator[bytes]:
    """Server-sent events, until the server ends or whoever listens goes away."""
    yield b"retry: 1000\n" + _id(source.id) + b"\n"
    told = time.monotonic()
    while True:
        events = await in_thread(source.fresh)
        if events:
            yield b"".join(map(_encoded, events))
            told = time.monotonic()
        elif time.monotonic() - told > QUIET:
            yield b": all is quiet\n\n"
            told = time.monotonic()
        if await ending.within(EVERY):
            return


def polled(source: Source) -> dict[str, Any]:
    """The same for whoever asks by itself: the fresh events, and the id to ask with the next time."""
    events = source.fresh()
    return {"id": source.id, "events": [{"kind": event.kind, "data": event.data} for event in events]}


def _encoded(event: Event) -> bytes:
    return b"event: %s\ndata: %s\n" % (event.kind.encode(), dump(event.data)) + _id(event.id) + b"\n"


def _id(text: str) -> bytes:
    return b"id: %s\n" % text.encode()
