"""Figures that a reader takes from each other: with as many decimals as make the difference true as it is written."""

from collections.abc import Iterable

MOST = 10


def true_decimals(pairs: Iterable[tuple[float, float]], least: int) -> int:
    """With how many decimals `before` and `after` of all pairs are written, where their change has `least` of them.

    The fewest, from `least` on, whose difference is the change in each of its digits.

    >>> true_decimals([(20.05, 55.04)], 1), true_decimals([(20.0, 55.0)], 1)
    (2, 1)
    """
    known = list(pairs)
    return next((decimals for decimals in range(least, MOST) if _holds(known, least, decimals)), MOST)


def _holds(pairs: list[tuple[float, float]], least: int, decimals: int) -> bool:
    off = (
        abs(round(after, decimals) - round(before, decimals) - round(after - before, least)) for before, after in pairs
    )
    return all(one <= 10**-least / 2 + 1e-12 for one in off)
