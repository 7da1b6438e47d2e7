"""Labels and notes on responses, kept with their run: notes.jsonl, to which lines are only ever added.

A later line with the same id takes the place of an earlier one, and one that says `removed` takes it away. A line is
added by one write at the end of the file, so that several programs may do it at once.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from groupthink.web.scanning import pieces

FILE = "notes.jsonl"

LONGEST_LABEL, LONGEST_TEXT = 100, 20_000
"""Characters."""

Note = dict[str, Any]


def read_notes(place: Path) -> list[Note]:
    """The notes of a run, in the order in which they were made; what a crash tore is left out."""
    notes: dict[str, Note] = {}
    try:
        lines = (place / FILE).read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    for text in lines:
        try:
            note = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(note, dict) or not isinstance(note.get("id"), str):
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
    response_of(place, note, ["response"])
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
    for note in read_notes(place):
        try:
            of = response_of(place, note, ["response", *wanted])
        except LookupError:
            of = {}
        yield {**note, "note": note["text"], **{name: of.get(name) for name in wanted}}


def response_of(place: Path, note: Mapping[str, Any], columns: list[str]) -> dict[str, Any]:
    """Those columns of the response that a note is of. Raises LookupError where there is none."""
    step, group, response = note["step"], note["group"], note["response"]
    begun = -1
    try:
        for _, table in pieces(place / "rollouts" / f"step-{step:06d}.parquet", columns):
            for row, number in enumerate(table.column("response").to_pylist()):
                begun += number == 0
                if (begun, number) == (group, response):
                    found: dict[str, Any] = table.slice(row, 1).to_pylist()[0]
                    return found
    except FileNotFoundError:
        raise LookupError(f"step {step} is not recorded") from None
    raise LookupError(f"step {step} has no response {response} in a group {group}")


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
    with path.open("a+b", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        if size:
            file.seek(size - 1)
            line = line if file.read(1) == b"\n" else b"\n" + line  # after what a crash tore
        file.write(line)
        os.fsync(file.fileno())
