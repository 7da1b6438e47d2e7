"""The figures of an evaluation, each with its interval, from a row for each response."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import numpy as np

from groupthink.insight.paired import Asked, Row, asked
from groupthink.insight.statistics import Estimate, estimate, majority_right
from groupthink.task.worked import CHECKS, GOES_BACK

Sampled = Sequence[Sequence[Row]]
"""The rows of each problem."""

OF_RIGHT = ("pass@1", "lenient", "greedy", "maj@k", "pass@k")
OF_RESPONSES = ("length", "format", "truncated", "self_checking", "self_correction")
MEASURES = (*OF_RIGHT, *OF_RESPONSES)
"""Shares, but for `length`, which is in tokens. `pass@1` is strict: in form, and right."""


def by_problem(rows: Iterable[Row], kind: str) -> Sampled:
    """The rows of one kind, those of each problem together, in their order."""
    found: dict[Asked, list[Row]] = {}
    for row in rows:
        if row["kind"] == kind:
            found.setdefault(asked(row), []).append(row)
    return list(found.values())


def figures_of(rows: Sequence[Row], k: int) -> dict[str, Estimate | None]:
    """All of `MEASURES`. `maj@k` and `pass@k` are of the first k samples of each problem."""
    sampled, greedy = by_problem(rows, "sampled"), by_problem(rows, "greedy")
    judged = [[row for row in some if row["right"] is not None] for some in sampled]
    judged = [some[:k] for some in judged if len(some) >= k]
    traits = traits_of(rows)
    return {
        "pass@1": _mean(sampled, lambda row: row["right"]),
        "lenient": _mean(sampled, lambda row: row["lenient"]),
        "greedy": _mean(greedy, lambda row: row["right"]),
        "maj@k": estimate([_majority(some) for some in judged if not some[0].get("by_tests")]),
        "pass@k": estimate([any(row["right"] for row in some) for some in judged]),
        "length": _mean(sampled, lambda row: row["length"]),
        "format": _mean(sampled, lambda row: row.get("formed")),
        "truncated": _mean(sampled, lambda row: row["finish"] == "length"),
        "self_checking": traits.get(CHECKS),
        "self_correction": traits.get(GOES_BACK),
    }


def traits_of(rows: Sequence[Row]) -> dict[str, Estimate | None]:
    """The share of sampled responses with each trait. Where any has a name, a chain's looks at itself have a figure."""
    sampled = by_problem(rows, "sampled")
    seen = dict.fromkeys(chain.from_iterable(row["traits"] for some in sampled for row in some))
    names = [*seen, *(name for name in (CHECKS, GOES_BACK) if seen and name not in seen)]
    return {name: _share(sampled, name) for name in names}


def _share(sampled: Sampled, trait: str) -> Estimate | None:
    return _mean(sampled, lambda row: trait in row["traits"])


def _mean(sampled: Sampled, value: Callable[[Row], float | None]) -> Estimate | None:
    """The mean over problems of the mean over the samples of each of which the value is known."""
    known = [[one for one in map(value, some) if one is not None] for some in sampled]
    return estimate([float(np.mean(values)) for values in known if values])


def _majority(rows: Sequence[Row]) -> bool:
    return majority_right([row["extracted"] for row in rows], [row["right"] for row in rows])
