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
        line = _read(text)
        if line is not None:
            lines.append(line)
        elif number < len(whole):
            raise ValueError(f"{path}: line {number} is no JSON object: was the file damaged, or edited by hand?")
    return lines


def read_events(path: Path) -> list[Line]:
    """What happened, as an events.jsonl says: each line has an `event`, a name, and its `time`, a number.

    Raises ValueError as `read_lines`, and where a line has no such two.
    """
    events = read_lines(path)
    for number, event in enumerate(events, start=1):
        if not (isinstance(event.get("event"), str) and is_figure(event.get("time"))):
            raise ValueError(f"{path}: line {number} is no event, which has a name and a time")
    return events


def is_figure(value: Any) -> bool:
    """Whether a value of JSON is a number that a float can be."""
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1e300)


def _read(text: bytes) -> Line | None:
    """The object that a line is; None where it is none."""
    try:
        line = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return line if isinstance(line, dict) else None


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
