"""Problems that processes beside this one make, slow ones ahead of their turn.

Which process makes a problem, and when, changes nothing about it: each is a function of its request.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from typing import Any

from groupthink.task.aside import Aside, Failed

SLOW = 0.03
"""Seconds for a problem, from which on it is made ahead."""

AHEAD = 32
"""Problems that are asked for before they are needed."""

PATIENCE = 300.0
"""Seconds that a problem may take."""


class Lookahead:
    """Answers requests, tuples of arguments to `make`, and begins with those that follow, where they are slow.

    Raises ValueError where `make` fails, and where it takes too long or takes its process with it, twice.
    """

    def __init__(self, make: Callable[..., Any]):
        self.make = make
        self.slow = self._first = False
        self._asides = [Aside(PATIENCE) for _ in range(min(4, max(1, (os.cpu_count() or 1) // 2)))]
        self._asked: list[deque[Hashable]] = [deque() for _ in self._asides]  # of each process, in order
        self._ready: dict[Hashable, Any] = {}  # what came of a request; Failed where `make` raised

    def get(self, request: tuple[Any, ...], then: Sequence[tuple[Any, ...]]) -> Any:
        """What `make(*request)` gives; `then` is what will be asked for after it, in order, as far as that is known."""
        begun = time.perf_counter()
        made = self._wait(request)
        self.slow = self.slow or (time.perf_counter() - begun > SLOW and not self._first)
        if self.slow:
            wanted = set(then)
            self._ready = {known: value for known, value in self._ready.items() if known in wanted}
            for one in then[:AHEAD]:
                self._ask(one)
        return made

    def close(self) -> None:
        for aside in self._asides:
            aside.close()

    def _wait(self, request: tuple[Any, ...]) -> Any:
        self._first = not any(aside.alive for aside in self._asides)  # which waits for a process to begin
        lost: Failed | None = None
        for _ in range(2):
            self._ask(request)
            for which, asked in enumerate(self._asked):
                while request in asked:
                    lost = self._take(which) or lost
            if request in self._ready:
                made = self._ready.pop(request)
                if isinstance(made, Failed):
                    raise ValueError(str(made))
                return made
        raise ValueError(f"{request} could not be made: {lost}")

    def _ask(self, request: tuple[Any, ...]) -> None:
        """Send a request to the process that has least to do, unless it is known already."""
        if request in self._ready or any(request in asked for asked in self._asked):
            return
        which = min(range(len(self._asides)), key=lambda i: len(self._asked[i]))
        with suppress(Failed):
            self._asides[which].send(self.make, *request)
            self._asked[which].append(request)

    def _take(self, which: int) -> Failed | None:
        """Hear the next answer of a process. Where it has ended, all that it was asked is lost, and it is said why."""
        request = self._asked[which].popleft()
        aside = self._asides[which]
        try:
            self._ready[request] = aside.receive()
        except Failed as failed:
            if not aside.alive:
                self._asked[which].clear()
                return failed
            self._ready[request] = failed
        return None
