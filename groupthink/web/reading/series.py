"""The figures of a run's steps, as its metrics.jsonl has them so far: a column for each figure."""

import re
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from groupthink.run.lines import Line
from groupthink.web.reading.growing import Growing
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.numbers import all_known, known

METRICS = "metrics.jsonl"
MOST = 128
"""Runs whose figures are held: some 0.4 MB for 1,000 steps."""

EXTREME = re.compile(r"/(max|min)(?:_|$)")
"""What names a figure that is the largest, or the least, of something: "ratio/max", "completions/min_length"."""

LARGEST = 2**53
"""The largest number of a step that a browser can tell from the next: a line with a larger one is no step's."""


@dataclass(frozen=True, eq=False, slots=True)
class Series:
    """Series(steps=[0, 1], columns={"reward": [0.4, 0.5]}). NaN: a step has no such figure, or no number for it."""

    steps: np.ndarray  # int64
    columns: dict[str, np.ndarray]  # float64, of the same length

    def __len__(self) -> int:
        return len(self.steps)

    def last(self, name: str) -> float | None:
        """A figure of the newest step that has it."""
        values = self.columns.get(name, np.zeros(0))
        finite = values[np.isfinite(values)]
        return known(finite[-1]) if len(finite) else None

    def at(self, step: int) -> dict[str, float | None]:
        """The figures of one step; none where it is not there."""
        places = np.flatnonzero(self.steps == step)
        if not len(places):
            return {}
        values = {name: column[places[-1]] for name, column in self.columns.items()}
        return {name: known(value) for name, value in values.items() if not np.isnan(value)}

    def shown(self) -> dict[str, list[float | None]]:
        """The columns as JSON can hold them."""
        return {name: all_known(column.tolist()) for name, column in self.columns.items()}

    def gathered(self, every: int) -> "Series":
        """A row for each `every` steps, the last for those that are left, under the number of its last step: the mean
        of a figure; of one that is itself the largest, or the least, of something, the largest or least.
        """
        if every == 1:
            return self
        starts = np.arange(0, len(self), every)
        last = np.minimum(starts + every, len(self)) - 1
        return Series(
            self.steps[last], {name: _gathered(name, column, starts) for name, column in self.columns.items()}
        )

    def lines(self) -> list[dict[str, Any]]:
        """A line for each step, as the file has them, without what is no number."""
        filled = [(name, column.tolist()) for name, column in self.columns.items()]
        return [
            {"step": step, **{name: column[place] for name, column in filled if column[place] == column[place]}}
            for place, step in enumerate(self.steps.tolist())
        ]


def _gathered(name: str, column: np.ndarray, starts: np.ndarray) -> np.ndarray:
    known = np.isfinite(column)
    if extreme := EXTREME.search(name):
        pick = np.fmax if extreme[1] == "max" else np.fmin
        return pick.reduceat(np.where(known, column, np.nan), starts)
    sums = np.add.reduceat(np.where(known, column, 0.0), starts)
    counts = np.add.reduceat(known.astype(np.int64), starts)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


class _Columns:
    """Grows with its file."""

    def __init__(self, file: Path):
        self._growing = Growing(file)
        self._lock = threading.Lock()
        self._steps, self._columns = array("q"), dict[str, array]()
        self._series = Series(np.zeros(0, np.int64), {})

    def series(self) -> Series:
        with self._lock:
            anew, lines = self._growing.fresh()
            if anew:
                self._steps, self._columns = array("q"), {}
            for line in lines:
                self._add(line)
            if anew or lines:
                columns = {name: np.array(column) for name, column in self._columns.items()}
                self._series = Series(np.array(self._steps, np.int64), columns)
            return self._series

    def _add(self, line: Line) -> None:
        step = line.get("step")
        if not isinstance(step, int) or isinstance(step, bool) or abs(step) > LARGEST:
            return
        done = len(self._steps)
        self._steps.append(step)
        for name, value in line.items():
            if name != "step" and (value is None or isinstance(value, int | float)):
                column = self._columns.get(name)
                if column is None:
                    column = self._columns[name] = array("d", [np.nan] * done)
                column.append(_number(value))
        for column in self._columns.values():
            if len(column) == done:
                column.append(np.nan)


def _number(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return np.nan


_held: OrderedDict[Path, _Columns] = OrderedDict()
_lock = threading.Lock()


def series_of(place: Path) -> Series:
    """The figures of the run in `place` so far; of no step where it has none yet. What was read is not read again."""
    with _lock:
        columns = _held.pop(place, None) or _Columns(place / METRICS)
        _held[place] = columns
        while len(_held) > MOST:
            _held.popitem(last=False)
    return columns.series()


class Extent(NamedTuple):
    """How far a run has come: steps written, and the number of the last one (-1: none)."""

    steps: int
    last: int


def extent_of(place: Path) -> Extent:
    """The same without the figures, which are held of MOST runs alone."""
    return _extents(place / METRICS)


def _read_extent(metrics: Path) -> Extent:
    steps = series_of(metrics.parent).steps
    return Extent(len(steps), int(steps[-1]) if len(steps) else -1)


_extents = Kept(_read_extent, most=8192)
