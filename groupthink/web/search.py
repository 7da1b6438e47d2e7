"""Search over all responses of a run, newest steps first: each step's file is read once, a few of them ahead."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from groupthink.run.checkpoints import step_of
from groupthink.web.query import Query, read_query
from groupthink.web.scanning import Scanned, hits_at, scan

__all__ = ["Query", "read_query", "search"]

Line = dict[str, Any]

SECONDS = 20.0
"""After which a search ends with what it has."""

TELL_EVERY = 0.25
"""Seconds that a search goes on without a line: after each one whoever listens may leave."""

READERS, AHEAD = 2, 4
"""Threads that read files, and how many files they are ahead of what is told."""


def search(place: Path, query: Query, seconds: float = SECONDS) -> Iterator[Line]:
    """Hits of the run in `place` as they are found, how far it has come, and at last the curve over the steps.

    Where hits are ordered by a figure they come together, near the end. Close it to end it early.
    """
    began = told = time.monotonic()
    files = _files(place, query)
    ended: list[bool] = []
    scans: list[Scanned] = []
    shown = 0

    def over() -> bool:
        return bool(ended) or time.monotonic() - began > seconds

    try:
        with closing(_ahead(files, lambda file: _scan(file, query, over))) as found:
            for file, scanned in found:
                if scanned is None:
                    break
                scans.append(scanned if query.by else scanned._replace(rows=scanned.rows[: query.limit - shown]))
                if not query.by and len(scans[-1].rows):
                    for hit in _shown(file, scans[-1].rows, query):
                        shown, told = shown + 1, time.monotonic()
                        yield {"hit": hit}
                if time.monotonic() - told > TELL_EVERY:
                    told = time.monotonic()
                    yield {"progress": {"steps": len(scans), "of": len(files)}}
    finally:
        ended.append(True)  # for what is being read ahead
    if query.by:
        best = _best(scans, query.limit)
        for hit in _ordered(place, best, query):
            shown += 1
            yield {"hit": hit}
        if query.preset == "longest":  # which are long is known only now
            steps = [step for step, _ in best]
            scans = [scanned._replace(matched=steps.count(scanned.step)) for scanned in scans]
    hits = sum(scanned.matched for scanned in scans)
    late = len(scans) < len(files)
    scans.sort(key=lambda scanned: scanned.step)
    yield {
        "curve": {name: [getattr(scanned, name) for scanned in scans] for name in ("step", "matched", "responses")},
        "hits": hits,
        "shown": shown,
        "seconds": round(time.monotonic() - began, 3),
        "stopped": "time" if late else "limit" if hits > shown else None,
    }


def _files(place: Path, query: Query) -> list[Path]:
    """Those of the steps that are asked about, in the order in which they are searched."""
    files = sorted((place / "rollouts").glob("step-*.parquet"), key=step_of, reverse=query.sort != "oldest")
    return [
        file for file in files if query.first <= step_of(file) <= (step_of(file) if query.last is None else query.last)
    ]


def _ahead(files: Sequence[Path], work: Callable[[Path], Scanned | None]) -> Iterator[tuple[Path, Scanned | None]]:
    """What `work` makes of each file, in order; a few of them are begun before they are asked for."""
    waiting: deque[tuple[Path, Future[Scanned | None]]] = deque()
    pool = ThreadPoolExecutor(READERS, thread_name_prefix="search")
    try:
        for file in files:
            waiting.append((file, pool.submit(work, file)))
            if len(waiting) > AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        for done, future in waiting:
            yield done, future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _scan(file: Path, query: Query, over: Callable[[], bool]) -> Scanned | None:
    try:
        return None if over() else scan(file, query, over)
    except (OSError, pa.ArrowInvalid):  # a resume took it away, or it is damaged: the others can still be searched
        return Scanned(step_of(file), 0, 0, np.zeros(0, int), np.zeros(0))


def _shown(file: Path, rows: Sequence[int], query: Query) -> list[Line]:
    try:
        return hits_at(file, rows, query)
    except (OSError, pa.ArrowInvalid):
        return []


def _best(scans: Sequence[Scanned], limit: int) -> list[tuple[int, int]]:
    """Step and row of those with the highest values; of equals the newest first."""
    steps = np.concatenate([np.full(len(one.rows), one.step) for one in scans] or [np.zeros(0, int)])
    rows = np.concatenate([one.rows for one in scans] or [np.zeros(0, int)])
    values = np.concatenate([one.values for one in scans] or [np.zeros(0)])
    order = np.lexsort((rows, -steps, -values))[:limit]
    return list(zip(steps[order].tolist(), rows[order].tolist(), strict=True))


def _ordered(place: Path, best: Sequence[tuple[int, int]], query: Query) -> Iterator[Line]:
    """The hits at those places, in their order."""
    found: dict[tuple[int, int], Line] = {}
    for step in {step for step, _ in best}:
        rows = sorted(row for one, row in best if one == step)
        hits = _shown(place / "rollouts" / f"step-{step:06d}.parquet", rows, query)
        found |= dict(zip([(step, row) for row in rows], hits, strict=False))
    yield from (found[one] for one in best if one in found)
