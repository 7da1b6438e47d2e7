"""How high the hits of a step can stand where a figure orders them: known of many steps before they are read."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from groupthink.run.metrics import read_metrics
from groupthink.web.reading.index import Groups, groups_of
from groupthink.web.search.query import Query

NOW = -1.0
"""Seconds for which steps are read that the index does not know yet: none, for a search reads them itself."""


def bounds_of(place: Path, query: Query) -> Mapping[int, float]:
    """For each step of which it is known, the highest figure that a hit can have: -inf where there can be none.

    It is what the index knows of the files that are there, or, of lengths, what the run itself says.
    """
    found = _told(place) if query.by == "length" else {}
    return {**found, **_indexed(groups_of(place, NOW), query)}


def _indexed(groups: Groups, query: Query) -> dict[int, float]:
    rewards = groups.best_wrong if query.right is False else groups.best
    figures = groups.longest if query.by == "length" else rewards
    steps, first = np.unique(groups.step, return_index=True)
    highest = np.maximum.reduceat(figures, first) if len(first) else np.zeros(0)
    return dict(zip(steps.tolist(), highest.tolist(), strict=True))


def _told(place: Path) -> dict[int, float]:
    """The length of the longest response of each step, where the run says it."""
    try:
        lines = read_metrics(place / "metrics.jsonl")
    except ValueError:
        return {}
    longest = {line["step"]: line.get("completions/max_length") for line in lines}
    return {step: most for step, most in longest.items() if most is not None and math.isfinite(most)}
