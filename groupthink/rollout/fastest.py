"""How many processes draw fastest, by what each number of them takes."""

from collections.abc import Callable

WORTH = 0.95
"""Of the time of fewer processes, at which more are worth what they take of memory."""


def fewest(seconds: Callable[[int], float], most: int) -> int:
    """The number of processes, from 1 to `most`, that is hardly slower than any: each is timed twice."""
    seconds(most)  # all are awake then
    numbers = sorted({min(2**power, most) for power in range(most.bit_length() + 1)})
    best, least = 1, float("inf")
    for processes in numbers:
        took = min(seconds(processes) for _ in range(2))
        if took < WORTH * least:
            best, least = processes, took
    return best
