"""Slow problems, made ahead in processes beside this one.

Which process makes a problem, and when, changes nothing about it: each is a function of its request.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from groupthink.task.aside import Aside, Failed

SLOW = 0.03
"""Seconds for a problem, from which on it is made ahead."""

AHEAD = 32
"""Problems that are asked for before they are needed."""

PATIENCE = 600.0
"""Seconds that a problem may take there; then it is made here."""


class Lookahead:
    """Answers requests, tuples of arguments to `make`, and begins with those that are likely to follow."""

    def __init__(self, make: Callable[..., Any]):
        self.make = make
        self.slow = False
        self._asides = [Aside(PATIENCE) for _ in range(min(4, max(1, (os.cpu_count() or 1) // 2)))]
        self._asked: list[deque[Hashable]] = [deque() for _ in self._asides]  # of each process, in order
        self._ready: dict[Hashable, Any] = {}

    def get(self, request: tuple[Any, ...], next_ones: Callable[[int], tuple[Any, ...]]) -> Any:
        """What `make(*request)` gives; `next_ones(i)` is the i-th request after it, from 0."""
        for which, asked in enumerate(self._asked):
            while request in asked:
                self._take(which)
        if request in self._ready:
            made = self._ready.pop(request)
        else:
            begun = time.perf_counter()
            made = self.make(*request)
            self.slow = self.slow or time.perf_counter() - begun > SLOW
        if self.slow:
            self._ask([next_ones(i) for i in range(AHEAD)])
        return made

    def close(self) -> None:
        for aside in self._asides:
            aside.close()

    def _ask(self, requests: list[tuple[Any, ...]]) -> None:
        wanted = set(requests)
        self._ready = {request: made for request, made in self._ready.items() if request in wanted}
        known = wanted & (self._ready.keys() | {request for asked in self._asked for request in asked})
        for request in requests:
            if request in known:
                continue
            which = min(range(len(self._asides)), key=lambda i: len(self._asked[i]))
            try:
                self._asides[which].send(self.make, *request)
            except Failed:
                self._asked[which].clear()  # whoever needs them makes them here
                return
            self._asked[which].append(request)

    def _take(self, which: int) -> None:
        """The next answer of a process. Where it failed, the request is made again here, and raises here."""
        request = self._asked[which].popleft()
        aside = self._asides[which]
        try:
            self._ready[request] = aside.receive()
        except Failed:
            if not aside.alive:
                self._asked[which].clear()
