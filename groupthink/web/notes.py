"""Labels and notes on responses, kept with their run: notes.jsonl, to which lines are only ever added.

A later line with the same id takes the place of an earlier one, and one that says `removed` takes it away. A line is
added by one write at the end of the file, so that several programs may do it at once.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from groupthink.web.reading.growing import read_line
from groupthink.web.reading.rows import file_of
from groupthink.web.search.scanning import pieces

FILE = "notes.jsonl"

LONGEST_LABEL, LONGEST_TEXT = 100, 20_000
"""Characters."""

Note = dict[str, Any]
Spot = tuple[int, int]
"""A response of a step: the place of its group, and its own there."""


def read_notes(place: Path) -> list[Note]:
    """The notes of a run, in the order in which they were made; what a crash tore is left out."""
    notes: dict[str, Note] = {}
    try:
        lines = (place / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    for note in filter(None, map(read_line, lines)):
        if not isinstance(note.get("id"), str):
            continue
        if note.get("removed"):
            notes.pop(note["id"], None)
            continue
        with suppress(ValueError):  # anybody may have written it
            notes[note["id"]] = {**_checked(note), "time": note.get("time")}
    return list(notes.values())


def add_note(place: Path, asked: Any) -> Note:
    """Keep what `asked` says of a response; with the id of a note it takes that one's place.

    Raises ValueError, with what is wrong, where it is no note, and LookupError where there is no such response or id.
    """
    note = _checked(asked)
    if "id" not in note:
        note["id"] = secrets.token_hex(8)
    elif note["id"] not in {one["id"] for one in read_notes(place)}:
        raise LookupError(f"there is no note {note['id']!a}: leave the id out to make one")
    if not responses_of(place, note["step"], {spot_of(note)}, []):
        raise LookupError(f"step {note['step']} has no response {note['response']} in a group {note['group']}")
    note["time"] = time.time()
    _append(place / FILE, note)
    return note


def remove_note(place: Path, name: str) -> None:
    """Take a note away. Raises LookupError where there is none of that id."""
    if name not in {note["id"] for note in read_notes(place)}:
        raise LookupError(f"there is no note {name[:40]!a}")
    _append(place / FILE, {"id": name, "removed": True, "time": time.time()})


def exported(place: Path) -> Iterator[dict[str, Any]]:
    """Each note with the response that it is of: its problem, prompt, text and reward; None where that is gone.

    `text` is the response's, and the note's own is called `note`.
    """
    wanted = ["problem", "prompt", "expected", "text", "reward"]
    noted: dict[int, set[Spot]] = {}
    for note in (every := read_notes(place)):
        noted.setdefault(note["step"], set()).add(spot_of(note))
    found: dict[int, dict[Spot, dict[str, Any]]] = {}  # of the steps that were read, each once
    for note in every:
        if (step := note["step"]) not in found:
            try:
                found[step] = responses_of(place, step, noted[step], wanted)
            except LookupError:
                found[step] = {}
        of = found[step].get(spot_of(note), {})
        yield {**note, "note": note["text"], **{name: of.get(name) for name in wanted}}


def spot_of(note: Mapping[str, Any]) -> Spot:
    """Where in its step the response is that a note is of."""
    return note["group"], note["response"]


def responses_of(place: Path, step: int, spots: Set[Spot], columns: list[str]) -> dict[Spot, dict[str, Any]]:
    """Those columns of the responses of a step at `spots`, as far as they are there.

    Raises LookupError where the step's file is not there, or cannot be read.
    """
    found: dict[Spot, dict[str, Any]] = {}
    group = -1
    try:
        for _, table in pieces(file_of(place, step), ["response", *columns]):
            for row, number in enumerate(table.column("response").to_pylist()):
                group += number == 0
                if (group, number) in spots:
                    found[group, number] = table.slice(row, 1).to_pylist()[0]
            if len(found) == len(spots):
                break
    except FileNotFoundError:
        raise LookupError(f"step {step} is not recorded") from None
    except (OSError, ValueError, pa.ArrowException) as error:
        raise LookupError(f"the responses of step {step} cannot be read ({error})") from None
    return found


def _checked(asked: Any) -> Note:
    if not isinstance(asked, dict):
        raise ValueError("a note is an object with step, group, response, label and text")
    note: Note = {}
    if asked.get("id") is not None:
        note["id"] = asked["id"]
        if not (isinstance(note["id"], str) and 0 < len(note["id"]) <= 40):
            raise ValueError("the id of a note is a short text")
    for name in ("step", "group", "response"):
        value = asked.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
            raise ValueError(f"{name} of a note must be a whole number from 0 upwards")
        note[name] = value
    for name, longest in (("label", LONGEST_LABEL), ("text", LONGEST_TEXT)):
        value = asked.get(name)
        value = "" if value is None else value
        if not isinstance(value, str) or len(value) > longest:
            raise ValueError(f"{name} of a note must be a text of {longest} characters at most")
        note[name] = value
    if not note["label"].strip() and not note["text"].strip():
        raise ValueError("a note needs a label or a text")
    return note


def _append(path: Path, note: Note) -> None:
    line = json.dumps(note, allow_nan=False).encode("ascii") + b"\n"  # escapes: it may hold what no UTF-8 can
    if path.is_symlink():
        raise ValueError(f"{path} is a link, which may lead anywhere: put a file in its place")
    with open(path, "a+b", buffering=0, opener=_open_here) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            line = line if file.read(1) == b"\n" else b"\n" + line  # after what a crash tore
        file.write(line)
        os.fsync(file.fileno())


def _open_here(path: str, flags: int) -> int:
    """A link that has come just now is not followed either, where the system can be told so."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)
