"""Lines of a file that grows: what was read once is not read again."""

import json
import os
from pathlib import Path

from groupthink.run.lines import Line

TAIL = 64
"""Bytes before the place that was read up to: where they are others now, the file was written anew."""


class Growing:
    """The lines of one JSON object each that are added to `path`, which may be cut off anywhere, or written anew.

    grown = Growing(path)
    anew, lines = grown.fresh()   # whether all before is void, and what came since
    """

    def __init__(self, path: Path):
        self.path = path
        self._file = -1  # its inode
        self._offset = 0  # up to here all was read
        self._tail = b""  # what stands before that

    def fresh(self) -> tuple[bool, list[Line]]:
        """Whether what was given before is void, and the whole lines since. A line that is no JSON object is left out:
        a crash tore it. A file that is not there has no lines.
        """
        try:
            with self.path.open("rb") as file:
                seen = os.fstat(file.fileno())
                anew = seen.st_ino != self._file or seen.st_size < self._offset
                if not anew:
                    if seen.st_size == self._offset:
                        return False, []
                    file.seek(self._offset - len(self._tail))
                    anew = file.read(len(self._tail)) != self._tail
                if anew:
                    self._file, self._offset, self._tail = seen.st_ino, 0, b""
                file.seek(self._offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            anew = self._offset > 0
            self._file, self._offset, self._tail = -1, 0, b""
            return anew, []
        self._offset += len(whole) + len(newline)
        self._tail = (self._tail + whole + newline)[-TAIL:]
        return anew, [line for line in map(_read, whole.split(b"\n")) if line is not None]


def _read(text: bytes) -> Line | None:
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):  # nested too deeply
        return None
    return line if isinstance(line, dict) else None
