"""Where one has come to in the files of a run at work, and what has come since: each line once, in whatever pieces.

A place is told by the bytes before it, too: a resume writes both files anew, mostly as they were.
"""

import json
import os
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from groupthink.run.lines import Line
from groupthink.web.reading.status import RUNNING, STALLED, status_of

BEFORE = 256
"""Bytes before a place by which it is known again."""

AT_ONCE = 1 << 20
"""Bytes that are read at a time."""

STATUS_EVERY = 2.0
"""Seconds after which it is asked again how things stand with a run at work of which nothing was heard."""

AT_WORK = ("", RUNNING, STALLED)
"""How a run may stand that comes to another standing without a line: all others begin with one."""


class Event(NamedTuple):
    """Something that happened: "step", "event", "status", or "reset", where all that was told before is void."""

    kind: str
    data: dict[str, Any]
    id: str  # where one is after it


class Place(NamedTuple):
    """A place in a file: its offset, and a checksum of the bytes before it."""

    offset: int = 0
    check: int = 0

    def __str__(self) -> str:
        return f"{self.offset}-{self.check:08x}"


class Tail:
    """A file of lines, read on from a place."""

    def __init__(self, path: Path):
        self.path = path
        self.place = Place()
        self._seen: tuple[int, int] | None = None  # the file and its size, when all of it was read

    def to_end(self) -> None:
        """Go behind the last whole line."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - AT_ONCE))
                torn = file.read().rpartition(b"\n")[2]
                self.place = _place(file, size - len(torn))
        except OSError:
            self.place = Place()

    def is_there(self) -> bool:
        """Whether the file still has its place: nothing before it was taken away or became another."""
        if self.place.offset == 0:
            return True
        try:
            with self.path.open("rb") as file:
                return _place(file, self.place.offset) == self.place
        except OSError:
            return False

    def moved(self) -> bool:
        """Whether the file has become another one, or a shorter one, and no longer has its place."""
        return self._look() != self._seen and not self.is_there()

    def fresh(self) -> Iterator[Line]:
        """The lines from its place on, which goes along; one that is not whole yet has its time later."""
        seen = self._look()
        if seen is None or seen == self._seen:
            return
        with self.path.open("rb") as file:
            file.seek(self.place.offset)
            data = file.read(AT_ONCE)
            while b"\n" not in data and (more := file.read(AT_ONCE)):
                data += more
            self._seen = seen if self.place.offset + len(data) >= seen[1] else None  # there is more to be read
            for text in data.split(b"\n")[:-1]:
                self.place = _place(file, self.place.offset + len(text) + 1)
                try:
                    line = json.loads(text)
                except (ValueError, RecursionError):  # torn by a crash, or nested too deeply
                    continue
                if isinstance(line, dict):
                    yield line

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size


class Follower:
    """What happens to the run called `name`, from the moment that the id `after` stands for, or else from now on.

    Of now it tells how things stand and which step was the last: what is known of it may be a moment old.
    """

    def __init__(self, name: str, place: Path, after: str = "", whole: bool = False):
        self.name, self.path = name, place
        self._steps, self._events = Tail(place / "metrics.jsonl"), Tail(place / "events.jsonl")
        self._status, self._asked = "", 0.0
        self._lost = not self._take_up(after) if after else False
        self._first = not after and not whole
        if self._first:
            self._steps.to_end()
            self._events.to_end()

    @property
    def id(self) -> str:
        """Where it is: the places in both files, and how things stood."""
        return f"{self._steps.place}.{self._events.place}.{self._status}"

    def fresh(self) -> list[Event]:
        """What has happened since it was asked last."""
        found: list[Event] = []
        if self._lost or self._steps.moved() or self._events.moved():
            self._lost, self._first = False, False
            self._steps, self._events = Tail(self._steps.path), Tail(self._events.path)
            found.append(self._event("reset", {}))
        if self._first:
            self._first = False
            last = last_line(self._steps.path)
            found += [self._event("step", {"step": last.get("step")})] if last else []
        for line in self._steps.fresh():
            found.append(self._event("step", {"step": line.get("step")}))
        for line in self._events.fresh():
            found.append(self._event("event", line))
        return found + self._standing(heard=bool(found))

    def _standing(self, heard: bool) -> list[Event]:
        """How things stand, where they stand otherwise than before."""
        now = time.time()
        if not heard and (now - self._asked < STATUS_EVERY or self._status not in AT_WORK):
            return []
        self._asked = now
        status, why = status_of(self.path, now)
        if status == self._status:
            return []
        self._status = status
        return [self._event("status", {"status": status, "why": why})]

    def _event(self, kind: str, data: dict[str, Any]) -> Event:
        return Event(kind, {"run": self.name, **data}, self.id)

    def _take_up(self, after: str) -> bool:
        """Whether what an id says can be gone on from."""
        steps, _, rest = after.partition(".")
        events, _, status = rest.partition(".")
        self._status = status if status.isalpha() and len(status) < 20 else ""
        places = read_place(steps), read_place(events)
        if places[0] is None or places[1] is None:
            return False
        self._steps.place, self._events.place = places[0], places[1]
        return self._steps.is_there() and self._events.is_there()


def last_line(path: Path) -> Line:
    """The last whole line of a file; {} where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - AT_ONCE))
            lines = file.read().split(b"\n")[:-1]
            line = json.loads(lines[-1]) if lines else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return line if isinstance(line, dict) else {}


def read_place(text: str) -> Place | None:
    """A place from an id; None where it is none."""
    offset, _, check = text.partition("-")
    try:
        return Place(int(offset), int(check, 16)) if offset.isdecimal() and len(offset) < 16 else None
    except ValueError:
        return None


def _place(file: Any, offset: int) -> Place:
    """The place at an offset of an open file, which is left there."""
    file.seek(max(0, offset - BEFORE))
    before = file.read(min(BEFORE, offset))
    return Place(offset, zlib.crc32(before)) if len(before) == min(BEFORE, offset) else Place(-1)
