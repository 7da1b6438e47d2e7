"""The responses of a step, as its rollouts hold them: a row for each, those of a group together."""

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from groupthink.run.rollouts import require_rollouts
from groupthink.web.reading.arrays import array_of
from groupthink.web.reading.whole import require_whole

FOLDER = "rollouts"
_NAME = re.compile(r"step-([0-9]{6,12})\.parquet")


def file_of(place: Path, step: int) -> Path:
    """The file of a step's responses."""
    return place / FOLDER / _name_of(step)


def _name_of(step: int) -> str:
    return f"step-{step:06d}.parquet"


def recorded_steps(place: Path) -> list[int]:
    """The steps whose responses are there, in order."""
    return sorted(looks(place))


def looks(place: Path) -> dict[int, tuple[int, int]]:
    """For each step whose responses are there, its file's size and when it was written, in ns."""
    found: dict[int, tuple[int, int]] = {}
    with suppress(OSError), os.scandir(place / FOLDER) as inside:  # there may be no such folder yet
        for file in inside:
            name = _NAME.fullmatch(file.name)
            if name is None or file.name != _name_of(int(name[1])):  # no run has written it
                continue
            with suppress(OSError):  # a resume removes files that it makes again
                seen = file.stat()
                found[int(name[1])] = seen.st_size, seen.st_mtime_ns
    return found


class Rows:
    """Some columns of the responses of a step; those that the file does not have are None for every row."""

    def __init__(self, table: pa.Table):
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def starts(self) -> np.ndarray:
        """The first row of each group, and the number of rows: P + 1 offsets."""
        return np.append(np.flatnonzero(self.numbers("response") == 0), len(self))

    def group(self, number: int) -> "Rows":
        """The rows of one group."""
        first, end = self.starts[number : number + 2].tolist()
        return Rows(self._table.slice(first, end - first))

    def has(self, name: str) -> bool:
        """Whether the file has a column."""
        return name in self._table.column_names

    def values(self, name: str) -> list[Any]:
        """A column as it is."""
        return self._table.column(name).to_pylist() if self.has(name) else [None] * len(self)

    def value(self, name: str, row: int) -> Any:
        """One value of it."""
        return self._table.column(name)[row].as_py() if self.has(name) else None

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers as float64, NaN where there is none."""
        if not self.has(name):
            return np.full(len(self), np.nan)
        return self._table.column(name).to_numpy().astype(np.float64)

    @cached_property
    def parts(self) -> dict[str, np.ndarray]:
        """The parts of the reward by their names, NaN where one does not count."""
        if not self.has("parts"):
            return {}
        column = array_of(self._table, "parts")
        return {
            field.name: column.field(place).to_numpy(zero_copy_only=False).astype(np.float64)
            for place, field in enumerate(column.type)
        }

    @property
    def right(self) -> np.ndarray:
        """Whether each response is right: 1 or 0, NaN where nobody knows."""
        accuracy = self.parts.get("accuracy", np.full(len(self), np.nan))
        return np.where(np.isnan(accuracy), np.nan, accuracy == 1)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each response that the policy drew."""
        if not self.has("sampled"):
            return np.full(len(self), np.nan)
        values, offsets = self._flat("sampled")
        so_far = np.concatenate([[0], np.cumsum(values)])
        return np.diff(so_far[offsets])

    def tokens(self, name: str) -> list[np.ndarray | None]:
        """A column that has a value for each token; None for a row that has none."""
        if not self.has(name):
            return [None] * len(self)
        values, offsets = self._flat(name)
        there = array_of(self._table, name).is_valid().to_numpy(zero_copy_only=False)
        bounds = zip(offsets[:-1].tolist(), offsets[1:].tolist(), there.tolist(), strict=True)
        return [values[first:end] if valid else None for first, end, valid in bounds]

    def _flat(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        column = array_of(self._table, name)
        return column.values.to_numpy(zero_copy_only=False), column.offsets.to_numpy()


def read_rows(place: Path, step: int, columns: Sequence[str]) -> Rows:
    """Those columns of the responses of a step that its file has.

    Raises LookupError where the step has none, and ValueError where the file cannot be read.
    """
    return Rows(read_table(place, step, columns))


def read_table(place: Path, step: int, columns: Sequence[str]) -> pa.Table:
    """The same as pyarrow has it."""
    file = file_of(place, step)
    try:
        with parquet.ParquetFile(file) as opened:
            require_rollouts(opened.schema_arrow, file)
            there = [name for name in opened.schema_arrow.names if name in columns]
            table = opened.read(columns=there, use_threads=False)
            require_whole(table, there, file)
            return table
    except FileNotFoundError:
        raise LookupError(_absent(place, step)) from None
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{file} cannot be read ({error}): a resume of the run makes it again") from None


def _absent(place: Path, step: int) -> str:
    steps = recorded_steps(place)
    if not steps:
        return f"no responses are kept in {place}: its stage draws none, or has not begun to"
    return f"no responses of step {step} are kept in {place}: there are those of steps {steps[0]} to {steps[-1]}"
