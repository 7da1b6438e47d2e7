"""Repetition: a chain that says the same again and again."""

from collections.abc import Sequence

import numpy as np

from groupthink.repetition import repeated


def repetition(token_ids_T: np.ndarray | Sequence[int], *, n: int) -> float:
    """From 0, where no run of `n` tokens comes twice, down to -1: minus the share of such runs that came before.

    A response shorter than `n` repeats nothing. (An n-gram penalty, as in arXiv 2502.03373.)

    >>> round(repetition([7, 8, 9] * 3, n=3), 2)  # of 7 runs of three, 3 are different
    -0.57
    """
    return 0.0 - repeated(token_ids_T, n)
