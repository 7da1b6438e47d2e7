"""How long something takes, and for how long it is looked at."""

import time
from collections.abc import Callable
from typing import Any

import torch

SECONDS = 5.0
"""For drawing, and again for learning, at each depth, beside what comes before the clock runs."""


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = time.perf_counter()
    found = do()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, found
