"""Steps 3 and 4: each response against its own group.

An estimator is a pure function `(rewards_PGK, weights_K) -> advantages_PG` of the K parts of the rewards
and their weights. NaN marks a part that is absent: its weight is 0 for that response.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from groupthink.records import Score

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]


def center(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = r_i - mean(r), not divided by the standard deviation.

    The rewards 1.0, 0.8, 0.2 give +1/3, +2/15, -7/15. Source: the essay that this project comes from;
    Dr. GRPO (arXiv 2503.20783, section 3.2) gives the reason: dividing by the standard deviation weighs
    very easy and very hard problems more.
    """
    return _centred(_total(rewards_PGK, weights_K))


def standardize(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = (r_i - mean(r)) / (std(r) + 1e-4), with the sample standard deviation (n - 1).

    Source: DeepSeekMath (arXiv 2402.03300, section 4.1.2), which does not say which standard deviation;
    n - 1 and 1e-4 are TRL's. A group of equal rewards gives 0.
    """
    rewards_PG = _total(rewards_PGK, weights_K)
    return _centred(rewards_PG) / (rewards_PG.std(axis=1, ddof=1, keepdims=True) + 1e-4)


def leave_one_out(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = r_i - mean of the other rewards = G / (G - 1) * (r_i - mean(r)).

    Source: RLOO (arXiv 2402.14740, equation 8). Unbiased: no response is in its own baseline.
    """
    rewards_PG = _total(rewards_PGK, weights_K)
    responses = rewards_PG.shape[1]
    return _centred(rewards_PG) * (responses / (responses - 1))


def rank(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """A_i = (rank_i - (G + 1) / 2) / (G - 1); ranks count from 1, the worst, and ties share their mean.

    So the best response of a group has at most +1/2 and the worst at least -1/2, whatever the scale of
    the rewards. Source: the essay that this project comes from calls its method ranking-based.
    """
    rewards_PG = _total(rewards_PGK, weights_K)
    responses = rewards_PG.shape[1]
    below_PG = (rewards_PG[:, None, :] < rewards_PG[:, :, None]).sum(axis=2)
    level_PG = (rewards_PG[:, None, :] == rewards_PG[:, :, None]).sum(axis=2)  # itself included
    rank_PG = below_PG + (level_PG + 1) / 2
    return (rank_PG - (responses + 1) / 2) / (responses - 1)


ESTIMATORS: dict[str, Estimator] = {
    "center": center,
    "standardize": standardize,
    "leave_one_out": leave_one_out,
    "rank": rank,
}


@dataclass(frozen=True, slots=True)
class AdvantageSettings:
    """The table [advantage] of a recipe."""

    estimator: str = "center"  # one of ESTIMATORS

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"advantage.estimator is {self.estimator!r}: choose one of {', '.join(ESTIMATORS)}")


def advantage(scores: Sequence[Sequence[Score]], settings: AdvantageSettings) -> np.ndarray:
    """The advantages_PG (float64) of P groups of G scores.

    The judge has weighed the parts of a score, so here its value is the one part. Raises ValueError for
    groups of one, and for groups of different sizes.
    """
    if len({len(group) for group in scores}) > 1:
        raise ValueError("the groups differ in size: score as many responses to each problem")
    rewards_PG = np.array([[score.value for score in group] for group in scores], dtype=np.float64)
    return ESTIMATORS[settings.estimator](rewards_PG[:, :, None], np.ones(1))


def count_dead(advantages_PG: np.ndarray) -> int:
    """How many groups teach nothing: equal rewards, so that every advantage is 0."""
    return int((advantages_PG == 0).all(axis=1).sum())


def _total(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """The weighted sum over the parts that are there."""
    if rewards_PGK.shape[1] < 2:
        raise ValueError("a group of one has no average to differ from: set rollout.group_size to at least 2")
    return np.nansum(rewards_PGK * weights_K, axis=2)


def _centred(rewards_PG: np.ndarray) -> np.ndarray:
    """r_i - mean(r), exactly 0 where all are equal: (0.2 + 0.2 + 0.2) / 3 is not 0.2 in floats."""
    beyond_first_PG = rewards_PG - rewards_PG[:, :1]
    return beyond_first_PG - beyond_first_PG.mean(axis=1, keepdims=True)
