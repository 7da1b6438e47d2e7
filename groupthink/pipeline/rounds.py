"""Stages that are gone through several times: `repeat` rounds, each from what the one before it made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from groupthink.nearest import nearest
from groupthink.pipeline import require_name
from groupthink.pipeline.references import REFERENCE, renamed
from groupthink.recipe import Table

REPEATING = ("repeat", "repeat_from")

MOST = 100
"""Stages that run, every round of them counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stage as a recipe lists it. Entry("zero-2", "zero", 2, {"model": "stage:tuned"})"""

    name: str
    first: str  # what it is called in the first round
    turn: int  # counted from 1
    said: Table  # its settings, and its gate
    newest: Mapping[str, str] = field(default_factory=dict)  # of stages that are repeated: {"tuned": "tuned-2"}

    def renamed(self, said: Table) -> Table:
        """What is said for every round, as it is meant in this one: `stage:NAME` is the newest of that name."""
        return renamed(said, lambda _, name: REFERENCE + self.newest.get(name, name))


def entries_of(listed: Any) -> list[Entry]:
    """One for each stage that runs, in order: those that are repeated come again.

    Raises ValueError for what is no list of stages, names that none can have, and rounds that there cannot be.
    """
    if not isinstance(listed, list) or not listed or not all(isinstance(table, dict) for table in listed):
        raise ValueError("stages is a list of tables: begin each stage with [[stages]] and its name")
    flat: list[Entry] = []
    for table in listed:
        if "name" not in table:
            raise ValueError(f'stage {len(flat) + 1} has no name: give it one, such as name = "cold"')
        require_name(name := table["name"])
        said = {key: value for key, value in table.items() if key not in ("name", *REPEATING)}
        flat.append(Entry(name, name, 1, said))
        flat += _again(flat, table)
        _require_few(len(flat), name)
    return flat


def _require_few(stages: int, last: str) -> None:
    if stages > MOST:
        raise ValueError(f"stage {last}: with it there are {stages} stages, every round counted: {MOST} at most")


def _again(flat: Sequence[Entry], last: Table) -> list[Entry]:
    """The further rounds that a stage asks for, from an earlier one (or itself) up to it."""
    name, times, first = last["name"], last.get("repeat", 1), last.get("repeat_from", last["name"])
    if type(times) is not int or times < 1:
        raise ValueError(f"stage {name}: repeat is {times!r}: give a whole number of rounds, the first one counted")
    names = [entry.name for entry in flat]
    if first not in names:
        raise ValueError(
            f"stage {name}: repeat_from is {first!r}, and no stage up to this one is called so: did you mean "
            f"{nearest(str(first), names)}?"
        )
    if "repeat_from" in last and times == 1:
        raise ValueError(f"stage {name}: repeat_from is {first!r}: say in repeat how many rounds there are, from 2 up")
    group = flat[names.index(first) :]
    _require_few(len(flat) + (times - 1) * len(group), name)
    newest = {entry.name: entry.name for entry in group}
    more = []
    for turn in range(2, times + 1):
        for entry in group:
            again = Entry(f"{entry.name}-{turn}", entry.first, turn, {}, dict(newest))
            more.append(replace(again, said=again.renamed(entry.said)))
            newest[entry.name] = again.name
    return more
