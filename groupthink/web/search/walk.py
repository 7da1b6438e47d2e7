"""Search over all responses of a run: newest steps first, or those first in which the highest hits can be.

Each step's file is read once, a few of them ahead.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from groupthink.run.checkpoints import step_of
from groupthink.web.reading.rows import file_of, recorded_steps
from groupthink.web.search.bounds import bounds_of
from groupthink.web.search.query import Query
from groupthink.web.search.scanning import Scanned, scan, shown_of
from groupthink.web.search.top import Top

Line = dict[str, Any]

SECONDS = 20.0
"""After which a search ends with what it has."""

TELL_EVERY = 0.25
"""Seconds that a search goes on without a line: after each one whoever listens may leave."""

READERS, AHEAD = 2, 4
"""Threads that read files, for all searches together, and how many files each search is ahead of what it tells."""


def search(place: Path, query: Query, seconds: float = SECONDS) -> Generator[Line, None, None]:
    """Hits of the run in `place` as they are found, how far it has come, and at last the curve over the steps.

    Where hits are ordered by a figure, one comes when nothing that is still unread can go before it. Close it to end it
    early.
    """
    began = told = time.monotonic()
    bounds = bounds_of(place, query) if query.by else {}
    files = _files(place, query, bounds)
    ended: list[bool] = []
    scans: list[Scanned] = []
    top = Top(place, query)
    shown = 0

    def over() -> bool:
        return bool(ended) or time.monotonic() - began > seconds

    try:
        with closing(_ahead(files, lambda file: _scan(file, query, over))) as found:
            for file, scanned in found:
                if scanned is None:
                    break
                scans.append(scanned)
                if query.by:
                    top.add(scanned)
                    after = step_of(files[len(scans)]) if len(scans) < len(files) else None
                    hits = top.rest() if after is None else top.before(bounds.get(after, math.inf), after)
                else:
                    hits = iter(shown_of(file, scanned.rows[: query.limit - shown], query))
                for hit in hits:
                    shown, told = shown + 1, time.monotonic()
                    yield {"hit": hit}
                if time.monotonic() - told > TELL_EVERY:
                    told = time.monotonic()
                    yield {"progress": {"steps": len(scans), "of": len(files)}}
    finally:
        ended.append(True)  # for what is being read ahead
    for hit in top.rest():  # where its time was over
        shown += 1
        yield {"hit": hit}
    if query.preset == "longest":  # which are long is known only now
        steps = top.steps()
        scans = [scanned._replace(matched=steps.count(scanned.step)) for scanned in scans]
    matched = sum(scanned.matched for scanned in scans)
    scans.sort(key=lambda scanned: scanned.step)
    yield {
        "curve": {name: [getattr(scanned, name) for scanned in scans] for name in ("step", "matched", "responses")},
        "hits": matched,
        "shown": shown,
        "seconds": round(time.monotonic() - began, 3),
        "stopped": "time" if len(scans) < len(files) else "limit" if matched > shown else None,
    }


def _files(place: Path, query: Query, bounds: Mapping[int, float]) -> list[Path]:
    """Those of the steps that are asked about, in the order in which they are searched."""
    last = math.inf if query.last is None else query.last
    steps = [step for step in recorded_steps(place) if query.first <= step <= last]
    if query.sort != "oldest":
        steps.reverse()
    if query.by:
        steps.sort(key=lambda step: -bounds.get(step, math.inf))
    return [file_of(place, step) for step in steps]


def _ahead(
    files: Sequence[Path], work: Callable[[Path], Scanned | None]
) -> Generator[tuple[Path, Scanned | None], None, None]:
    """What `work` makes of each file, in order; a few of them are begun before they are asked for."""
    waiting: deque[tuple[Path, Future[Scanned | None]]] = deque()
    try:
        for file in files:
            waiting.append((file, _readers.submit(work, file)))
            if len(waiting) > AHEAD:
                done, future = waiting.popleft()
                yield done, future.result()
        while waiting:
            done, future = waiting.popleft()
            yield done, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _scan(file: Path, query: Query, over: Callable[[], bool]) -> Scanned | None:
    try:
        return None if over() else scan(file, query, over)
    except (
        OSError,
        ValueError,
        pa.ArrowException,
    ):  # gone by a resume, or damaged: the others are searched
        return Scanned(step_of(file), 0, 0, np.zeros(0, int), np.zeros(0))


_readers = ThreadPoolExecutor(READERS, thread_name_prefix="search")
