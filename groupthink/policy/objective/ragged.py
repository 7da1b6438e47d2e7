"""Ragged columns of a whole batch, in numpy: `starts` holds B + 1 offsets into its M response tokens."""

import numpy as np


def sum_by_response(values_M: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """[B], float64: the sum of `values_M` over each response; 0 for one without tokens."""
    responses = len(starts) - 1
    return np.bincount(np.repeat(np.arange(responses), np.diff(starts)), weights=values_M, minlength=responses)


def spread(values_B: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """[M]: each token gets its response's value."""
    return np.repeat(values_B, np.diff(starts))
