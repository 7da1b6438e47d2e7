"""One step's responses, searched: of its file only the columns that a query is about, in pieces of bounded size."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet

from groupthink.repetition import repeated_each
from groupthink.run.checkpoints import step_of
from groupthink.run.rollouts import require_rollouts
from groupthink.web.reading.arrays import array_of, flags_of, numbers_of, places
from groupthink.web.reading.numbers import orderable
from groupthink.web.reading.whole import require_whole
from groupthink.web.search.patterns import ending, first_found, opening
from groupthink.web.search.query import Query

REPETITIVE = 0.3
"""The share of runs of tokens that came before from which on a response is called repetition."""

AT_ONCE = 1 << 20
"""Bytes of text that are searched by one call, which nothing can end."""

HELD = 32 << 20
"""Bytes of columns that are held at once."""


class Scanned(NamedTuple):
    """What was found in one step: how many responses were asked about, how many match, and which are to be shown."""

    step: int
    responses: int
    matched: int
    rows: np.ndarray  # places in the file
    values: np.ndarray  # by what they are ordered: 0 where they are not


def scan(file: Path, query: Query, over: Callable[[], bool]) -> Scanned | None:
    """Search a step's file; None where it is `over` before its end."""
    responses = matched = 0
    found: list[tuple[np.ndarray, np.ndarray]] = []
    for start, table in pieces(file, _columns(query)):
        asked = _asked(table, query)
        matches = _matches(table, asked, query, over)
        if matches is None or over():
            return None
        rows = np.flatnonzero(matches)
        responses, matched = responses + int(asked.sum()), matched + len(rows)
        found.append((start + rows, _values(table, query)[rows]))
    every = np.concatenate([rows for rows, _ in found] or [np.zeros(0, int)])
    values = np.concatenate([values for _, values in found] or [np.zeros(0)])
    first = np.argsort(-values, kind="stable")[: query.limit]
    return Scanned(step_of(file), responses, matched, every[first], values[first])


def hits_at(file: Path, rows: Sequence[int] | np.ndarray, query: Query) -> list[dict[str, Any]]:
    """What is shown of some rows of a step's file, in the order of the file."""
    columns = ["problem", "response", "reward", "parts.accuracy", "text", "sampled"]
    hits: list[dict[str, Any]] = []
    wanted, group = np.unique(rows).astype(np.int64), -1
    for start, table in pieces(file, [*columns, "token_ids"] if query.preset == "repetition" else columns):
        groups = group + np.cumsum(_numbers(table, "response") == 0)
        there = wanted[(wanted >= start) & (wanted < start + len(table))] - start
        hits += _hits(table.take(places(there)), step_of(file), groups[there], query) if len(there) else []
        group = int(groups[-1]) if len(groups) else group
    return hits


def shown_of(file: Path, rows: Sequence[int] | np.ndarray, query: Query) -> list[dict[str, Any]]:
    """The same; none where the file is gone, or cannot be read."""
    try:
        return hits_at(file, rows, query) if len(rows) else []
    except (OSError, ValueError, pa.ArrowException):
        return []


def pieces(file: Path, columns: Sequence[str]) -> Iterator[tuple[int, pa.Table]]:
    """Those of `columns` that a file has, a piece of its rows after the other, each with the place of its first row."""
    with parquet.ParquetFile(file, pre_buffer=False) as opened:  # in this thread: others take turns with it
        there, kept = _looked(opened, file), opened.metadata
        wanted = [name for name in columns if name.partition(".")[0] in there]
        names = {name.partition(".")[0] for name in wanted}
        size, rows = _size(kept, names), kept.num_rows
        if size <= HELD:
            whole = opened.read(columns=wanted, use_threads=False)
            require_whole(whole, names, file)
            yield 0, whole
            return
    # Read as it is asked for: the columns of a file may be larger than memory ought to be.
    with parquet.ParquetFile(file, metadata=kept, pre_buffer=False, buffer_size=1 << 20) as opened:
        start = 0
        for batch in opened.iter_batches(max(1, rows * HELD // (4 * size)), columns=wanted, use_threads=False):
            piece = pa.Table.from_batches([batch])
            require_whole(piece, names, file)
            yield start, piece
            start += len(batch)


class _Looked:
    """The columns of a file, which must be those of a step's responses: read once of files that have the same ones.

    (pyarrow compares the leaves of a schema alone; that a list has another name is seen by `require_whole`.)
    """

    def __init__(self) -> None:
        self._last: tuple[Any, Any, frozenset[str]] | None = None

    def __call__(self, opened: parquet.ParquetFile, file: Path) -> frozenset[str]:
        schema, more, last = opened.metadata.schema, opened.metadata.metadata, self._last
        if last is not None and last[0].equals(schema) and last[1] == more:
            return last[2]
        found = opened.schema_arrow
        require_rollouts(found, file)
        self._last = schema, more, frozenset(found.names)
        return self._last[2]


_looked = _Looked()


def _size(metadata: Any, names: set[str]) -> int:
    """Bytes of those columns, or of all of them where that is no more than may be held."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    whole = sum(group.total_byte_size for group in groups)
    if whole <= HELD:
        return int(whole)
    columns = (group.column(number) for group in groups for number in range(metadata.num_columns))
    return sum(one.total_uncompressed_size for one in columns if one.path_in_schema.partition(".")[0] in names)


def _columns(query: Query) -> list[str]:
    """What a query must read of each response."""
    wanted = ["parts.accuracy"]
    wanted += ["text"] if query.pattern else []
    wanted += ["token_ids"] if query.preset == "repetition" else []
    wanted += ["reward"] if query.by == "reward" or query.preset == "rewarded-wrong" else []
    wanted += ["sampled"] if query.by == "length" else []
    return wanted if len(wanted) > 1 else [*wanted, "response"]  # by which the rows are counted


def _asked(table: pa.Table, query: Query) -> np.ndarray:
    """Whether each response is one of those that the query is about."""
    if query.right is None:
        return np.ones(len(table), bool)
    accuracy = _accuracy(table)
    return accuracy == 1 if query.right else ~np.isnan(accuracy) & (accuracy != 1)


def _matches(table: pa.Table, asked: np.ndarray, query: Query, over: Callable[[], bool]) -> np.ndarray | None:
    """Whether each response is what is looked for; None where it is `over` before all are known."""
    matches = asked
    if query.preset == "repetition":
        matches = matches & (_repetition(table) >= REPETITIVE)
    if query.preset == "rewarded-wrong":
        matches = matches & (_numbers(table, "reward") > 0)
    if query.pattern is None:
        return matches
    texts = array_of(table, "text")
    cuts = np.flatnonzero(np.diff(np.cumsum(numbers_of(compute.binary_length(texts))) // AT_ONCE)) + 1
    found = []
    for start, end in zip([0, *cuts], [*cuts, len(texts)], strict=True):
        if over():
            return None
        some = compute.match_substring_regex(texts.slice(start, end - start), pattern=query.pattern)
        found.append(flags_of(some))
    return matches & np.concatenate(found)


def _values(table: pa.Table, query: Query) -> np.ndarray:
    if query.by == "length":
        return _lengths(table).astype(float)
    if query.by == "reward":
        return orderable(_numbers(table, "reward"))
    return np.zeros(len(table))


def _hits(table: pa.Table, step: int, groups: np.ndarray, query: Query) -> list[dict[str, Any]]:
    texts = table.column("text").to_pylist()
    if query.pattern:
        shown = first_found(texts, query.pattern)
    else:
        shown = [ending(text) if query.preset == "repetition" else opening(text) for text in texts]
    shares = _repetition(table).round(3).tolist() if query.preset == "repetition" else [None] * len(texts)
    accuracy, lengths = _accuracy(table), _lengths(table).tolist()
    rows = table.select(["problem", "response", "reward"]).to_pylist()
    return [
        {
            "step": step,
            "group": int(groups[place]),
            **row,
            "reward": None if row["reward"] is None or not np.isfinite(row["reward"]) else row["reward"],
            "right": None if np.isnan(accuracy[place]) else bool(accuracy[place] == 1),
            "length": lengths[place],
            "repetition": shares[place],
            **shown[place]._asdict(),
        }
        for place, row in enumerate(rows)
    ]


def _accuracy(table: pa.Table) -> np.ndarray:
    """Of each response; NaN where nobody knows."""
    if "parts" not in table.column_names:
        return np.full(len(table), np.nan)
    parts = array_of(table, "parts")
    if parts.type.get_field_index("accuracy") < 0:
        return np.full(len(table), np.nan)
    return numbers_of(compute.struct_field(parts, "accuracy"))


def _lengths(table: pa.Table) -> np.ndarray:
    """How many tokens of each response the policy drew."""
    column = array_of(table, "sampled")
    ends = np.cumsum(numbers_of(compute.list_value_length(column)))
    drawn = np.concatenate([[0], np.cumsum(flags_of(column.flatten()))])
    return drawn[ends] - drawn[np.concatenate([[0], ends[:-1]])] if len(ends) else np.zeros(0, int)


def _repetition(table: pa.Table) -> np.ndarray:
    column = array_of(table, "token_ids")
    return repeated_each(numbers_of(column.flatten()), numbers_of(compute.list_value_length(column)))


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    return numbers_of(array_of(table, name))
