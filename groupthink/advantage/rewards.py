"""What estimators share: a total for each response, and differences that are exactly 0 where there are none."""

from collections.abc import Callable

import numpy as np

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(rewards_PGK, weights_K) -> advantages_PG"""

EPSILON = 1e-4  # added to a standard deviation before it divides, as in TRL


def total(rewards_PGK: np.ndarray, weights_K: np.ndarray) -> np.ndarray:
    """rewards_PG: the weighted sum over the parts that are there. Raises ValueError for groups of one."""
    refuse_groups_of_one(rewards_PGK)
    return np.nansum(rewards_PGK * weights_K, axis=2)


def refuse_groups_of_one(rewards_PGK: np.ndarray) -> None:
    """Raise ValueError where a response has none to be compared with."""
    if rewards_PGK.shape[1] < 2:
        raise ValueError("a group of one has no average to differ from: set rollout.group_size to at least 2")


def centered(rewards_PG: np.ndarray) -> np.ndarray:
    """r_i - mean(r) over each group, exactly 0 where all are equal: (0.2 + 0.2 + 0.2) / 3 is not 0.2 in floats."""
    beyond_first_PG = rewards_PG - rewards_PG[:, :1]
    return beyond_first_PG - beyond_first_PG.mean(axis=1, keepdims=True)
