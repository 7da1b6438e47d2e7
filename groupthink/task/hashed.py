"""Held-out problems: those whose prompts a hash picks, in every run of everyone the same."""

import hashlib
import random
from collections.abc import Callable
from typing import TypeVar

from groupthink.records import Problem, Prompt
from groupthink.task.columns import key_of

T = TypeVar("T")

TRIES = 200
"""For one problem. With a tenth held out, that many fail by chance once in 10^9."""


def share_of(key: str) -> float:
    """Where a prompt stands between 0 and 1: in every run of everyone at the same place."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def picked(problems: dict[str, Problem], share: float) -> dict[str, Problem]:
    """Of problems by the key of their prompts, the `share` that a hash picks, at least one: whatever the seed, and
    whatever other rows there are.
    """
    found = {key: problem for key, problem in problems.items() if share_of(key) < share}
    if share and problems and not found:
        first = min(problems, key=share_of)
        found = {first: problems[first]}
    return found


def walk(
    make: Callable[[int], T | None], prompt: Callable[[T], Prompt], split: str, index: int, share: float, name: str
) -> tuple[int, T]:
    """Problem `index` of a split, "train" or "held_out", and its place: the first drawn whose prompt is of that split.

    `make` gives the problem at a place from 0 to 2^30, or None where there is none. Raises ValueError where none is
    found, as for a family of too few prompts.
    """
    draw = random.Random(f"{split}/{index}")
    for _ in range(TRIES):
        made = make(place := draw.getrandbits(30))
        if made is not None and (share_of(key_of(prompt(made))) < share) == (split == "held_out"):
            return place, made
    raise ValueError(
        f"{name} was asked for {TRIES} problems, and none would do for {split}: it knows too few different ones for "
        f"task.held_out={share} by a hash of their prompts, or fails, or all are too long for the model"
    )
