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


def repeated_each(token_ids: np.ndarray, lengths: np.ndarray, n: int = 8) -> np.ndarray:
    """`repeated` of each of several responses, whose tokens stand one after the other: quick, for very many of them.

    >>> repeated_each(np.array([*range(50), *[0, 1, 2, 3, 4] * 10]), np.array([50, 50])).round(2).tolist()
    [0.0, 0.88]
    """
    runs = np.maximum(lengths - n + 1, 0)
    if len(token_ids) < n or not runs.any():
        return np.zeros(len(lengths))
    inside = np.arange(len(token_ids)) < np.repeat(np.cumsum(lengths) - n + 1, lengths)  # the run ends where it began
    owners = np.repeat(np.arange(len(lengths), dtype=np.uint64), runs)
    bits = np.uint64(max(len(lengths) - 1, 1).bit_length())  # of a key: its response, then as much as fits of the hash
    hashes = _hashes(token_ids, n)[inside[: len(token_ids) - n + 1]] * np.uint64(
        MULTIPLIER
    )  # all bits reach the high ones
    keys = np.sort((owners << (np.uint64(64) - bits)) | (hashes >> bits))
    first = np.concatenate([[True], keys[1:] != keys[:-1]])
    different = np.bincount((keys[first] >> (np.uint64(64) - bits)).astype(np.int64), minlength=len(lengths))
    return np.where(runs > 1, 1 - different / np.maximum(runs, 1), 0.0)


def different_runs(token_ids_T: np.ndarray | Sequence[int], n: int) -> np.ndarray:
    """Hashes of the different runs of `n` tokens, uint64, sorted; none where there are fewer tokens."""
    if len(token_ids_T) < n:
        return np.zeros(0, np.uint64)
    return np.unique(_hashes(token_ids_T, n))


def _hashes(token_ids_T: np.ndarray | Sequence[int], n: int) -> np.ndarray:
    """A hash of each run of `n` tokens."""
    factors_n = np.array([pow(MULTIPLIER, k, 2**64) for k in range(n)], np.uint64)
    return np.lib.stride_tricks.sliding_window_view(np.asarray(token_ids_T, np.uint64), n) @ factors_n
