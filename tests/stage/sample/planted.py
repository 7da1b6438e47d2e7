"""Responses in which faults are planted, as rows of a run's rollouts."""

from typing import Any

from groupthink.records import Problem
from groupthink.stage.sample.candidates import Candidate, read_candidates

PROBLEM = Problem("own/train/0", "own", "Anna has 3 boxes of 4 pens each. How many pens has she?", "12")
GOOD = "<think>There are three boxes.\nEach of them holds four pens, so there are 3*4=12 of them.</think>12"


def row(text: str = GOOD, *, problem: Problem = PROBLEM, right: float | None = 1.0, **other: Any) -> dict[str, Any]:
    """A token for each character, and one for the end."""
    token_ids = [*map(ord, text), 0]
    held = {
        "problem": problem.id,
        "text": text,
        "finish": "stop",
        "seed": 7,
        "reward": right or 0.0,
        "parts": {"accuracy": right},
        "token_ids": token_ids,
        "sampled": [True] * len(token_ids),
    }
    return held | other


def candidate(text: str = GOOD, **other: Any) -> Candidate:
    problem = other.get("problem", PROBLEM)
    ((one,),) = read_candidates([row(text, **other)], [problem], "")
    return one


FAULTS: dict[str, dict[str, Any]] = {
    "unjudged": {"right": None},
    "wrong": {"text": GOOD[:-1] + "3", "right": 0.0},
    "unfinished": {"finish": "length"},
    "malformed": {"text": f"Well, {GOOD}"},
    "repetitive": {"text": f"<think>{'Wait, let me count the pens again. ' * 20}</think>12"},
    "mixed": {"text": GOOD.replace("three boxes", "三个盒子, three boxes")},
    "short": {"text": "<think>3*4=12</think>12"},
    "long": {"text": f"<think>{' '.join(map(str, range(200)))}\n</think>12"},
    "paragraph": {"text": f"<think>{' '.join(map(str, range(100)))}</think>12"},
    "code": {"text": GOOD.replace("Each", "```python\nprint(3 * 4)\n```\nEach")},
}
"""By the name of the filter that is to find it."""
