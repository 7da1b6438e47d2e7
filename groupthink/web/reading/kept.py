"""What was read from a file, kept in memory for as long as the file is as it was."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")

Look = tuple[int, int, int]
"""What tells a file from what it was before: a file that is written anew is another one."""


def look(file: Path) -> Look | None:
    """None where there is no such file."""
    try:
        seen = file.stat()
    except OSError:
        return None
    return seen.st_ino, seen.st_size, seen.st_mtime_ns


class Kept(Generic[T]):
    """`read(file)`, and the same again without reading until the file changes. The `most` last asked for are kept.

    `look`: what is another once it has changed. What `read` raises is raised, and not kept.
    """

    def __init__(self, read: Callable[[Path], T], most: int, look: Callable[[Path], Any] = look):
        self._read, self._most, self._look = read, most, look
        self._found: OrderedDict[Path, tuple[Any, T]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, file: Path) -> T:
        seen = self._look(file)  # before it is read: what is added meanwhile shows as a change next time
        with self._lock:
            known = self._found.get(file)
            if known is not None and known[0] == seen:
                self._found.move_to_end(file)
                return known[1]
        value = self._read(file)
        with self._lock:
            self._found[file] = seen, value
            self._found.move_to_end(file)
            while len(self._found) > self._most:
                self._found.popitem(last=False)
        return value
