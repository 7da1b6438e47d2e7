"""When a response is right, to an environment whose rewards are several: where its main one is given in full.

The sum of all weights is no measure of it. Many rubrics cannot give it to anyone: a part for answers that are nearly
right is 0 where the answer is right.
"""

import re
from collections.abc import Mapping, Sequence

SAYING = re.compile(r"correct|accura|(?<![a-z])(right|solved|success|exact|win|won)(?![a-z])", re.IGNORECASE)
"""The names of functions that ask for the right answer, as people call them."""

PARTLY = re.compile(r"incorrect|inaccura|partial|format|almost|nearly", re.IGNORECASE)
"""In a name that says the same, and asks for less, or for something else."""


def main_of(weights: Sequence[tuple[str, float]]) -> str | None:
    """Of functions with their weights, in order, the one that says what is right.

    It is the one that weighs most; of several of the same weight the first whose name says so. None where none's does,
    or where another has the same name.

    >>> main_of([("correct_answer", 1.0), ("partial_answer", 1.0), ("format_reward", 0.2)])
    'correct_answer'
    """
    most = max((weight for _, weight in weights), default=0.0)
    heaviest = [name for name, weight in weights if weight == most > 0]
    saying = [name for name in heaviest if SAYING.search(name) and not PARTLY.search(name)]
    found = heaviest[0] if len(heaviest) == 1 else next(iter(saying), None)
    return found if sum(name == found for name, _ in weights) == 1 else None


def is_right(given: Mapping[str, float], main: str | None, reward: float, most: float) -> bool:
    """Whether the main function gave 1; without one, whether the reward is `most`: what 1 of each function comes to."""
    if main is not None and main in given:
        return given[main] >= 1 - 1e-6
    return reward >= most - 1e-6
