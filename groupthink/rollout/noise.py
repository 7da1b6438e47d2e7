"""Randomness by counter: a draw depends on what it is for, never on a stream that others draw from, too."""

from hashlib import blake2b

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def mix(*parts: int | float | str) -> int:
    """A seed of 63 bits from `parts`, the same in every process and on every machine.

    >>> mix(7, "quadratics/0/17", 3) == mix(7, "quadratics/0/17", 3) != mix(7, "quadratics/0/17", 4)
    True
    """
    text = "\x1f".join(repr(part) if isinstance(part, str) else str(part) for part in parts)
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") >> 1


def uniform(seed_B: np.ndarray, position_B: np.ndarray) -> np.ndarray:
    """Draws from [0, 1), float64 [B], one for each pair of a seed and a position (a token's place in its response).

    SplitMix64 (Steele, Lea and Flood 2014), started at the seed and read at the position. 52 bits, so that a
    draw times a total is below the total in float64, too.
    """
    z = seed_B.astype(np.uint64) + (position_B.astype(np.uint64) + np.uint64(1)) * GOLDEN
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(12)).astype(np.float64) * 2.0**-52
