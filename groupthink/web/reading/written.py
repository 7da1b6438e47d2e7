"""What the arithmetic of a group is written from, and how its figures are written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log10

import numpy as np


@dataclass(frozen=True, eq=False)
class Case:
    """The rewards of a group, and those of all groups of its step. B responses in P groups, of which this is one."""

    rewards_B: np.ndarray
    starts: np.ndarray  # P + 1 offsets
    group: int
    parts: dict[str, np.ndarray]  # [B] each, NaN where a part does not count
    weights: dict[str, float]
    k: int  # of pass_at_k, as is ...
    threshold: float  # ... the reward from which on a response is right

    @property
    def place(self) -> slice:
        """Of this group."""
        return slice(*self.starts[self.group : self.group + 2].tolist())

    @cached_property
    def rewards(self) -> np.ndarray:
        return self.rewards_B[self.place]

    @cached_property
    def mean(self) -> float:
        return float(self.rewards.mean())

    @cached_property
    def centered(self) -> np.ndarray:
        """Each reward less the group's average; 0, to the last digit, where all are equal."""
        return centered(self.rewards)

    @cached_property
    def centered_B(self) -> np.ndarray:
        """The same of every group of the step."""
        return self.by_group(self.rewards_B, centered)

    def by_group(self, values_B: np.ndarray, make: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """[B]: what `make` makes of each group's values."""
        bounds = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        return np.concatenate([make(values_B[first:end]) for first, end in bounds])

    @property
    def across(self) -> str:
        """That other groups have a say."""
        groups = len(self.starts) - 1
        return f"The spread is measured over all {len(self.rewards_B)} rewards of the step's {groups} groups."


@dataclass(frozen=True, eq=False, slots=True)
class Written:
    """What an estimator did with a group."""

    formula: str  # in words
    values: np.ndarray  # the advantages
    each: Callable[["Digits"], list[str]]  # an equation for each response, but for the advantage that it comes to
    why: str | None = None  # what is to be known of it
    notes: Callable[["Digits"], list[str]] = lambda digits: []  # figures that the equations take up


class Digits:
    """How figures are written: with three decimals, or as many as the largest of `values` needs to show three digits.

    `finer`: by how many decimals more what a figure comes from is written, so that it is seen to come to it.

    >>> digits = Digits([1 / 3])
    >>> digits(2 / 3), digits(1), digits(-0.2), digits.signed(1 / 3)
    ('0.667', '1.0', '(-0.2)', '+0.333')
    >>> Digits([1 / 3], finer=1)(2 / 3)
    '0.6667'
    """

    def __init__(self, values: Sequence[float] | np.ndarray, finer: int = 0):
        sizes = [abs(value) for value in values if value and np.isfinite(value)]
        self.decimals = min(max(3, ceil(-log10(max(sizes))) + 2), 9) if sizes else 3
        self.before = self.decimals + finer

    def __call__(self, value: float) -> str:
        """What stands before a result: without zeros at its end; in brackets below 0, as it follows an operator."""
        text = _short(value, self.before)
        text = text if "." in text else f"{text}.0"
        return f"({text})" if text.startswith("-") else text

    def plain(self, value: float, result: bool = False) -> str:
        """One that stands by itself: what a result comes from, or the result."""
        return _short(value, self.decimals if result else self.before)

    def signed(self, value: float) -> str:
        """A result: with its sign, and all decimals."""
        return f"{round(value, self.decimals) + 0.0:+.{self.decimals}f}"


def _short(value: float, decimals: int) -> str:
    """Without zeros at its end."""
    text = f"{round(value, decimals) + 0.0:.{decimals}f}"
    return text.rstrip("0").removesuffix(".") if "." in text else text


def centered(values: np.ndarray) -> np.ndarray:
    """Values less their mean: exactly 0 where all are equal."""
    beyond = values - values[0]
    return beyond - beyond.mean()


def spread(values: np.ndarray) -> float:
    """The standard deviation of a sample (n - 1)."""
    return float(values.std(ddof=1))
