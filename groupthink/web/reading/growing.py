"""Lines of a file that grows: what was read once is not read again, in whatever pieces it comes.

A place in such a file is told by the bytes before it, too: a resume writes it anew, mostly as it was.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from groupthink.run.lines import Line

BEFORE = 256
"""Bytes before a place by which it is known again."""

AT_ONCE = 1 << 20
"""Bytes that are read at a time."""


class Place(NamedTuple):
    """A place in a file: its offset, and a checksum of the bytes before it."""

    offset: int = 0
    check: int = 0

    def __str__(self) -> str:
        return f"{self.offset}-{self.check:08x}"


class Tail:
    """A file of lines of one JSON object each, read on from a place. It may be cut off anywhere, or written anew."""

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
                data = file.read()
                self.place = _place(size - len(data), data, data.rfind(b"\n") + 1)
        except OSError:
            self.place = Place()

    def is_there(self) -> bool:
        """Whether the file still has its place: nothing before it was taken away or became another."""
        first = max(0, self.place.offset - BEFORE)
        wanted = self.place.offset - first
        if not wanted:
            return True
        try:
            with self.path.open("rb") as file:
                file.seek(first)
                data = file.read(wanted)
        except OSError:
            return False
        return len(data) == wanted and _place(first, data, wanted) == self.place

    def moved(self) -> bool:
        """Whether the file has become another one, or a shorter one, and no longer has its place."""
        return self._look() != self._seen and not self.is_there()

    def fresh(self) -> Iterator[Line]:
        """The lines from its place on, which goes along: some of them, where there are many. One that is not whole yet
        has its time later; one that is no JSON object is left out, for a crash tore it.
        """
        seen = self._look()
        if seen is None or seen == self._seen:
            return
        first = max(0, self.place.offset - BEFORE)
        at = self.place.offset - first
        with self.path.open("rb") as file:
            file.seek(first)
            data = file.read(at + AT_ONCE)
            while data.find(b"\n", at) < 0 and (more := file.read(AT_ONCE)):
                data += more
        self._seen = seen if first + len(data) >= seen[1] else None  # there is more to be read
        while end := data.find(b"\n", at) + 1:
            line = read_line(data[at:end])
            self.place, at = _place(first, data, end), end
            if line is not None:
                yield line

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size


class Growing:
    """All lines of a file, read as they are added.

    grown = Growing(path)
    anew, lines = grown.fresh()   # whether all before is void, and what came since
    """

    def __init__(self, path: Path):
        self._tail = Tail(path)

    def fresh(self) -> tuple[bool, list[Line]]:
        """Whether what was given before is void, and the whole lines since. A file that is not there has no lines."""
        anew = self._tail.moved()
        if anew:
            self._tail = Tail(self._tail.path)
        lines: list[Line] = []
        before: Place | None = None
        while self._tail.place != before:
            before = self._tail.place
            lines += self._tail.fresh()
        return anew, lines


def read_line(text: bytes) -> Line | None:
    """The JSON object that a line is; None where it is none."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # torn, or nested too deeply
        return None
    return line if isinstance(line, dict) else None


def last_line(path: Path) -> Line:
    """The last whole line of a file; {} where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - AT_ONCE))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return {}
    return (read_line(lines[-1]) or {}) if lines else {}


def read_place(text: str) -> Place | None:
    """A place from its text; None where it is none."""
    offset, _, check = text.partition("-")
    try:
        return Place(int(offset), int(check, 16)) if offset.isdecimal() and len(offset) < 16 else None
    except ValueError:
        return None


def _place(first: int, data: bytes, at: int) -> Place:
    """The place of `data[at]`, where `data` are the bytes of a file from `first` on, BEFORE of them at least."""
    return Place(first + at, zlib.crc32(data[max(0, at - BEFORE) : at]))
