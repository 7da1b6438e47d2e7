"""Seconds spent in the phases of a step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """`with clock("generate"): ...` adds the seconds of its block to `clock.seconds["generate"]`."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = self.seconds.get(phase, 0.0) + time.perf_counter() - start
