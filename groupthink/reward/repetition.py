"""Repetition: a chain that says the same again and again."""

from collections.abc import Hashable, Sequence


def repetition(tokens: Sequence[Hashable], *, n: int) -> float:
    """From 0, where no run of `n` tokens comes twice, down to -1: minus the share of such runs that came before.

    A response shorter than `n` repeats nothing. (An n-gram penalty, as in arXiv 2502.03373.)

    >>> repetition("abcabcabc", n=3)  # of 7 runs of three, 3 are different
    -0.5714285714285714
    """
    runs = len(tokens) - n + 1
    if runs < 1:
        return 0.0
    return len({tuple(tokens[start : start + n]) for start in range(runs)}) / runs - 1
