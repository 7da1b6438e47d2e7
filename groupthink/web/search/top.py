"""The hits of a search that are ordered by a figure: each is told as soon as nothing unread can go before it."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.web.reading.rows import file_of
from groupthink.web.search.query import Query
from groupthink.web.search.scanning import Scanned, shown_of

Line = dict[str, Any]


class Top:
    """The responses with the highest figures so far, as many as are shown: of equals those of the newest step first."""

    def __init__(self, place: Path, query: Query):
        self._place, self._query = place, query
        self._steps, self._rows, self._values = np.zeros(0, int), np.zeros(0, int), np.zeros(0)
        self._told = 0
        self._hits: dict[tuple[int, int], Line | None] = {}

    def add(self, scanned: Scanned) -> None:
        """Take in those of a step."""
        limit = self._query.limit
        if not limit:
            return
        full = len(self._values) == limit
        least, newest = (self._values[-1], self._steps[-1]) if full else (-math.inf, -1)
        some = scanned.values >= least if scanned.step >= newest else scanned.values > least
        if not some.any():
            return
        steps = np.concatenate([self._steps, np.full(int(some.sum()), scanned.step)])
        rows = np.concatenate([self._rows, scanned.rows[some]])
        values = np.concatenate([self._values, scanned.values[some]])
        order = np.lexsort((rows, -steps, -values))[:limit]
        self._steps, self._rows, self._values = steps[order], rows[order], values[order]

    def before(self, bound: float, step: int) -> Iterator[Line]:
        """The hits that were not told yet and stand before any with the figure `bound` of that step."""
        if bound == math.inf:
            return iter(())
        ahead = (self._values > bound) | ((self._values == bound) & (self._steps > step))
        return self._tell(int(ahead.sum()))

    def rest(self) -> Iterator[Line]:
        """All that were not told yet."""
        return self._tell(len(self._values))

    def steps(self) -> list[int]:
        """The step of each."""
        return [int(step) for step in self._steps]

    def _tell(self, count: int) -> Iterator[Line]:
        while self._told < count:
            place = int(self._steps[self._told]), int(self._rows[self._told])
            self._told += 1
            if place not in self._hits:
                self._read(place[0])
            hit = self._hits[place]
            if hit is not None:
                yield hit

    def _read(self, step: int) -> None:
        """Read the hits of a step: those that come later, too, unless higher ones take their places."""
        rows = np.sort(self._rows[self._steps == step]).tolist()
        hits = shown_of(file_of(self._place, step), rows, self._query)
        self._hits |= {(step, row): None for row in rows}  # where it is gone
        self._hits |= {(step, row): hit for row, hit in zip(rows, hits, strict=False)}
