"""Two evaluations of the same held-out problems, compared problem by problem."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from groupthink.insight.statistics import Estimate, estimate

Row = dict[str, Any]
"""One response of an evaluation, as `evaluations/*.parquet` holds it."""


Asked = tuple[str, str]
"""A problem as it was asked: its id, which another task may have given, too, and its prompt."""


def asked(row: Row) -> Asked:
    """The problem that a response answers."""
    return row["problem"], row["prompt"]


def rates(rows: Sequence[Row], kind: str) -> dict[Asked, float]:
    """The share of right responses of one kind, by problem, where that is known."""
    right: dict[Asked, list[bool]] = {}
    for row in rows:
        if row["kind"] == kind and row["right"] is not None:
            right.setdefault(asked(row), []).append(row["right"])
    return {problem: float(np.mean(values)) for problem, values in right.items()}


def difference(after: Mapping[Asked, float], before: Mapping[Asked, float]) -> Estimate | None:
    """By how much `after` is above `before`, over the problems of both; None where they share none."""
    return estimate([after[problem] - before[problem] for problem in after if problem in before])
