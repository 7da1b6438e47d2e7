"""Files of one JSON object a line, that may be read while they are written and cut anywhere by a crash."""

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groupthink.run.files import write_text

Line = dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """The whole lines of a file; a torn last one is left out, and a file that is not there has none.

    Raises ValueError where any other line is no JSON object.
    """
    if not path.exists():
        return []
    *whole, _ = path.read_bytes().split(b"\n")  # what follows the last newline is nothing, or torn
    lines = []
    for number, text in enumerate(whole, start=1):
        try:
            lines.append(json.loads(text))
        except ValueError:
            if number < len(whole):
                raise ValueError(f"{path}: line {number} is not JSON") from None
    return lines


def append_line(path: Path, line: Mapping[str, Any]) -> None:
    """Add one line, and wait until it is on the disk."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(_dump(line))
        file.flush()
        os.fsync(file.fileno())


def replace_lines(path: Path, lines: list[Line]) -> None:
    """Put `lines` in place of what the file held."""
    write_text(path, "".join(map(_dump, lines)))


def _dump(line: Mapping[str, Any]) -> str:
    return json.dumps({name: _storable(value) for name, value in line.items()}, allow_nan=False) + "\n"


def _storable(value: Any) -> Any:
    """JSON has neither NaN nor infinity: a figure that is no number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
