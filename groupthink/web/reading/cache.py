"""Where an index is kept between two servers: a file for each run in the user's cache directory, never in the run."""

import hashlib
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

VERSION = 2
UNUSED = 90 * 24 * 3600.0
"""Seconds after which a file that nobody asked for is removed."""

HEAD = b"groupthink"
TEXTS = ("names", "tasks", "prompts")


@dataclass(frozen=True, eq=False, slots=True)
class Stored:
    """What is kept of an index. The figures of a step are arrays of one length, a value for each group."""

    looks: dict[int, tuple[int, int]]  # of the file of each step: size, and time of writing in ns
    steps: dict[int, dict[str, np.ndarray]]
    names: list[str]  # of problems; the figure `problem` is a place here
    tasks: list[str]
    prompts: list[str]


def folder() -> Path:
    """The folder of all such files: that of the system for what may be deleted at any time."""
    if named := os.environ.get("XDG_CACHE_HOME"):
        base = Path(named)
    elif os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    return base / "groupthink" / "view"


def file_of(place: Path) -> Path:
    """The file of the run in `place`."""
    return folder() / f"{hashlib.sha256(os.fsencode(place.resolve())).hexdigest()[:32]}.parquet"


def store(place: Path, stored: Stored) -> None:
    """Keep an index. Where nothing can be written, nothing is kept."""
    aside: str | None = None
    try:
        file = file_of(place)
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=file.parent, prefix=".writing-")
        os.close(handle)
        parquet.write_table(_table(stored), aside, compression="zstd")
        os.replace(aside, file)
        aside = None
        _drop_unused(file.parent)
    except (OSError, RuntimeError, pa.ArrowException):  # RuntimeError: there is no home
        pass
    finally:
        if aside is not None:
            Path(aside).unlink(missing_ok=True)


def load(place: Path) -> Stored | None:
    """What was kept of the run in `place`; None where there is nothing that can be read."""
    try:
        file = file_of(place)
        with parquet.ParquetFile(file) as opened:
            table = opened.read(use_threads=False)
        os.utime(file)  # it is in use
        return _stored(table)
    except (OSError, RuntimeError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None


def _table(stored: Stored) -> pa.Table:
    """A row for each group, and beside them, from the top, the names, tasks and prompts of the problems."""
    steps = list(stored.steps)
    sizes = [len(stored.steps[step]["problem"]) for step in steps]
    rows = max(sum(sizes), len(stored.names))
    figures = {name: np.concatenate([stored.steps[step][name] for step in steps]) for name in stored.steps[steps[0]]}
    columns = {name: np.resize(column, rows) if len(column) else np.zeros(rows) for name, column in figures.items()}
    texts = {name: getattr(stored, name) for name in TEXTS}
    columns |= {name: pa.array(some + [None] * (rows - len(some)), pa.string()) for name, some in texts.items()}
    head = {
        "version": VERSION,
        "problems": len(stored.names),
        "steps": [[step, size, *stored.looks[step]] for step, size in zip(steps, sizes, strict=True)],
    }
    return pa.table(columns).replace_schema_metadata({HEAD: json.dumps(head)})


def _stored(table: pa.Table) -> Stored | None:
    head = json.loads((table.schema.metadata or {})[HEAD])
    if head["version"] != VERSION:
        return None
    columns = {name: table.column(name).to_numpy() for name in table.column_names if name not in TEXTS}
    steps: dict[int, dict[str, np.ndarray]] = {}
    looks: dict[int, tuple[int, int]] = {}
    first = 0
    for step, size, *seen in head["steps"]:
        steps[step] = {name: column[first : first + size] for name, column in columns.items()}
        looks[step] = (seen[0], seen[1])
        first += size
    problems = head["problems"]
    named = columns["problem"][:first]
    if max(first, problems) > table.num_rows or (first and not 0 <= named.min() <= named.max() < problems):
        return None
    names, tasks, prompts = (table.column(name).slice(0, problems).to_pylist() for name in TEXTS)
    return Stored(looks, steps, names, tasks, prompts)


def _drop_unused(inside: Path) -> None:
    now = time.time()
    for file in inside.iterdir():
        if now - file.stat().st_mtime > UNUSED:
            file.unlink(missing_ok=True)
