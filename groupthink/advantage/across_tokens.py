"""Advantages of tokens, measured against those of all tokens of the batch: what comes after an estimator."""

import numpy as np

from groupthink.advantage.rewards import centered

EPSILON_OF_VARIANCE = 1e-8  # added to a variance before its root divides, as in verl


def whiten_tokens(advantages_M: np.ndarray, counted_M: np.ndarray) -> np.ndarray:
    """[M], float64: A = (a - mean(a)) / sqrt(var(a) + 1e-8), over the tokens in `counted_M` (bool); 0 for the others.

    The variance is that of a sample (n - 1). A long response has more tokens, and so more say in mean and spread: the
    rewards 1, 0 with 1 and 3 tokens give +1.5 and -0.5. Where all are equal, they are exactly 0. Source: REINFORCE++
    (arXiv 2501.03262, equation 5), of the tokens of a global batch; n - 1 and 1e-8 are those of verl's `masked_whiten`.
    """
    whitened_M = np.zeros(len(advantages_M))
    if counted_M.any():
        [above] = centered(advantages_M[None, counted_M].astype(np.float64))
        variance = (above**2).sum() / max(len(above) - 1, 1)
        whitened_M[counted_M] = above / np.sqrt(variance + EPSILON_OF_VARIANCE)
    return whitened_M
