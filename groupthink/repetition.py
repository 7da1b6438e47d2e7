"""How much of what was written has been written before: by what a reward and the figures of a run both go."""

from collections.abc import Sequence

import numpy as np

MULTIPLIER = 6364136223846793005
"""Knuth's, for a hash of some tokens: odd and without pattern, so that no two runs of them share one by design."""


def repeated(token_ids_T: np.ndarray | Sequence[int], n: int = 8) -> float:
    """The share of the runs of `n` tokens that stand in a response before, too; 0 where it is shorter than that.

    >>> repeated(range(50)), round(repeated([0, 1, 2, 3, 4] * 10), 2)
    (0.0, 0.88)
    """
    runs = len(token_ids_T) - n + 1
    return 1 - len(different_runs(token_ids_T, n)) / runs if runs > 1 else 0.0


def different_runs(token_ids_T: np.ndarray | Sequence[int], n: int) -> np.ndarray:
    """Hashes of the different runs of `n` tokens, uint64, sorted; none where there are fewer tokens."""
    if len(token_ids_T) < n:
        return np.zeros(0, np.uint64)
    factors_n = np.array([pow(MULTIPLIER, k, 2**64) for k in range(n)], np.uint64)
    return np.unique(np.lib.stride_tricks.sliding_window_view(np.asarray(token_ids_T, np.uint64), n) @ factors_n)
