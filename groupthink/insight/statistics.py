"""Figures of an evaluation and how sure they are. C stands for the samples drawn for each of P problems."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

RESAMPLES = 10_000


def pass_at_k(right_PC: np.ndarray, k: int) -> float:
    """The chance that one of k samples is right: mean over problems of 1 - C(n-c, k) / C(n, k).

    Unbiased in n samples of which c are right (2107.03374, eq. 1), as a product for stability.
    """
    _, n = right_PC.shape
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} needs at least {k} samples of each problem; there are {n}")
    return float(np.mean([1 - _all_wrong(n, int(c), k) for c in right_PC.sum(axis=1)]))


def _all_wrong(n: int, c: int, k: int) -> float:
    return prod((n - c - i) / (n - i) for i in range(k)) if n - c >= k else 0.0


def majority_right(answers: Sequence[str | None], right: Sequence[bool]) -> bool:
    """Is the commonest answer right? Ties go to the answer that came first; no answer is no vote.

    An answer is right where one of its votes was: another may have been cut, or out of form.
    """
    votes: dict[str, int] = {}
    verdict: dict[str, bool] = {}
    for answer, ok in zip(answers, right, strict=True):
        if answer is not None:
            votes[answer] = votes.get(answer, 0) + 1
            verdict[answer] = verdict.get(answer, False) or ok
    return bool(votes) and verdict[max(votes, key=votes.__getitem__)]


def interval(values_P: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean: the percentile bootstrap, resampling problems and not their samples.

    For the difference of two models, give the differences problem by problem (Miller, 2411.00640).
    """
    counts = _resamples(len(values_P), seed)
    low, high = np.percentile(counts @ values_P / len(values_P), [2.5, 97.5])
    return float(low), float(high)


@lru_cache(maxsize=1)
def _resamples(problems: int, seed: int) -> np.ndarray:
    """How often each problem occurs in each resample (10,000 x P); many figures are of the same problems."""
    draw = np.random.default_rng(seed)
    return draw.multinomial(problems, np.full(problems, 1 / problems), size=RESAMPLES)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over problems, and its 95 % interval."""

    mean: float
    low: float
    high: float


def estimate(values: Sequence[float]) -> Estimate | None:
    """The mean of a value for each problem, with its interval; None where there is none."""
    if not len(values):
        return None
    values_P = np.array(values, dtype=float)
    return Estimate(float(values_P.mean()), *interval(values_P))
