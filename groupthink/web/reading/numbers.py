"""Numbers as JSON can hold them, and no longer than they mean something."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

DIGITS = 6
"""That mean something of what was computed in float32."""


def known(value: Any) -> float | None:
    """A number; None for what is none, or not finite, or no float can be."""
    try:
        return short(float(value)) if math.isfinite(value) else None
    except (TypeError, OverflowError):
        return None


def short(value: float) -> float:
    """A finite number with the digits that mean something; whole ones as they are.

    >>> short(0.49531250000001), short(1234567.0)
    (0.495313, 1234567.0)
    """
    return value if value.is_integer() else float(f"{value:.{DIGITS}g}")


def all_known(values: Iterable[Any]) -> list[float | None]:
    """`known` of each."""
    return [known(value) for value in values]


def orderable(rewards: np.ndarray) -> np.ndarray:
    """Rewards as responses are put in order by them, finite float64: one that is no number is the lowest of all."""
    return np.nan_to_num(rewards.astype(np.float64), nan=-np.finfo(np.float64).max)


def mean_of(values: np.ndarray) -> float | None:
    """The mean of those that are numbers; None where none is."""
    finite = values[np.isfinite(values)]
    return known(finite.mean(dtype=np.float64)) if len(finite) else None


def cut(text: str, most: int) -> str:
    """`text`, or its beginning where it is longer."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
