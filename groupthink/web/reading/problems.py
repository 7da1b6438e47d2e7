"""The problems of a run: how often each came up, and how often it was answered right, at first and at last."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.web.reading.evaluations import evaluations_of, rates_of
from groupthink.web.reading.index import KINDS, Groups, groups_of
from groupthink.web.reading.numbers import known
from groupthink.web.reading.places import own_name

PAGE = 50
SORTS = ("visits", "rate", "gain", "name")
HELD_OUT, TRAINED = "held-out", "trained"
"""The kinds of the problems that evaluations ask, and training never sees; and of those that it does."""

EVERY = ("", HELD_OUT, TRAINED, *KINDS)

SECONDS = 0.1
"""For which rollouts that were not read before are read at once; who asks again gets further."""


@dataclass(frozen=True, eq=False, slots=True)
class Table:
    """A row for each problem."""

    names: list[str]
    prompts: list[str]  # their beginnings
    visits: np.ndarray
    first_step: np.ndarray
    last_step: np.ndarray
    rate_first: np.ndarray  # NaN where nobody knows what is right
    rate_last: np.ndarray
    rate: np.ndarray  # over all visits
    mean: np.ndarray  # reward
    held_out: np.ndarray  # bool: its visits are evaluations, and the steps those that were done before them

    def __len__(self) -> int:
        return len(self.names)


def list_problems(
    place: Path, sort: str = "visits", page: int = 1, kind: str = "", name: str | None = None
) -> dict[str, Any]:
    """A page of the problems of the run in `place`, counted from 1.

    `sort`: by visits, the most first, and of equal ones those held out; by the rate of right responses, the lowest
    first; by its gain from first to last visit, the largest first; by name. What nobody knows comes last. `kind`: those
    held out, those trained on, or of these those whose last visit went so (mixed, right, wrong, unknown); all where it
    is empty.

    `steps` of `of` recorded ones were read so far: there may be more problems until they are the same.
    """
    if sort not in SORTS:
        raise ValueError(f"problems are not sorted by {sort!r}: choose one of {', '.join(SORTS)}")
    if kind not in EVERY:
        raise ValueError(f"no problems are of the kind {kind!r}: choose one of {', '.join(EVERY[1:])}")
    table, steps, of, chosen = held_out(place), 0, 0, None
    if kind != HELD_OUT:
        groups = groups_of(place, SECONDS)
        trained, last = trained_on(groups)
        steps, of = groups.steps, groups.of
        table = trained if kind else _together(table, trained)
        chosen = np.flatnonzero(groups.kind[last] == KINDS.index(kind)) if kind in KINDS else None
    if chosen is None:
        chosen = np.arange(len(table))
    ordered = chosen[_order(table, chosen, sort)]
    pages = max(1, -(-len(ordered) // PAGE))
    page = min(max(page, 1), pages)
    return {
        "run": name or own_name(place),
        "problems": [_row(table, row) for row in ordered[(page - 1) * PAGE : page * PAGE].tolist()],
        "total": len(ordered),
        "page": page,
        "pages": pages,
        "steps": steps,
        "of": of,
    }


def trained_on(groups: Groups) -> tuple[Table, np.ndarray]:
    """The problems that have groups, and the place of each one's last."""
    numbers, first, visits = np.unique(groups.problem, return_index=True, return_counts=True)
    last = len(groups.problem) - 1 - np.unique(groups.problem[::-1], return_index=True)[1]
    judged = _sums(groups.problem, groups.judged, numbers)
    rate = groups.rate
    table = Table(
        names=[groups.names[number] for number in numbers.tolist()],
        prompts=[groups.prompts[number] for number in numbers.tolist()],
        visits=visits,
        first_step=groups.step[first],
        last_step=groups.step[last],
        rate_first=rate[first],
        rate_last=rate[last],
        rate=np.where(judged > 0, _sums(groups.problem, groups.right, numbers) / np.maximum(judged, 1), np.nan),
        mean=_sums(groups.problem, groups.mean, numbers) / np.maximum(visits, 1),
        held_out=np.zeros(len(numbers), bool),
    )
    return table, last


def held_out(place: Path) -> Table:
    """The problems that evaluations asked: an evaluation is a visit."""
    names: dict[str, list[tuple[int, float]]] = {}
    prompts: dict[str, str] = {}
    for evaluation in evaluations_of(place):
        for problem, asked in rates_of(evaluation).items():
            prompts.setdefault(problem, asked.prompt)
            rate = np.nan if asked.rate is None else asked.rate
            names.setdefault(problem, []).append((evaluation.step, rate))
    visits = list(names.values())
    known_rates = [[rate for _, rate in some if not np.isnan(rate)] for some in visits]
    return Table(
        names=list(names),
        prompts=[prompts[problem] for problem in names],
        visits=np.array([len(some) for some in visits], np.int64),
        first_step=np.array([some[0][0] for some in visits], np.int64),
        last_step=np.array([some[-1][0] for some in visits], np.int64),
        rate_first=np.array([some[0][1] for some in visits], np.float64),
        rate_last=np.array([some[-1][1] for some in visits], np.float64),
        rate=np.array([np.mean(some) if some else np.nan for some in known_rates], np.float64),
        mean=np.full(len(visits), np.nan),
        held_out=np.ones(len(visits), bool),
    )


def _together(one: Table, other: Table) -> Table:
    both = ((field.name, getattr(one, field.name), getattr(other, field.name)) for field in fields(Table))
    columns: dict[str, Any] = {
        name: first + second if isinstance(first, list) else np.concatenate([first, second])
        for name, first, second in both
    }
    return Table(**columns)


def _sums(problem: np.ndarray, values: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    return np.bincount(problem, weights=values, minlength=int(numbers.max(initial=-1)) + 1)[numbers]


def _order(table: Table, chosen: np.ndarray, sort: str) -> np.ndarray:
    """The places of `chosen`, sorted; equal ones by name."""
    names = [table.names[row] for row in chosen.tolist()]
    by_name = np.empty(len(names), np.int64)
    by_name[sorted(range(len(names)), key=lambda place: (_family(names[place]), len(names[place]), names[place]))] = (
        np.arange(len(names))
    )
    keys = {
        "visits": -table.visits[chosen].astype(np.float64),
        "rate": table.rate[chosen],
        "gain": (table.rate_first - table.rate_last)[chosen],
        "name": np.zeros(len(chosen)),
    }
    level = ~table.held_out[chosen] if sort == "visits" else np.zeros(len(chosen), bool)
    return np.lexsort((by_name, level, keys[sort]))  # NaN comes last


def _family(name: str) -> str:
    """What stands before the number of a problem: "quadratics/train/0/" of "quadratics/train/0/17"."""
    return name.rstrip("0123456789")


def _row(table: Table, row: int) -> dict[str, Any]:
    return {
        "problem": table.names[row],
        "prompt": table.prompts[row],
        "visits": int(table.visits[row]),
        "first_step": int(table.first_step[row]),
        "last_step": int(table.last_step[row]),
        "held_out": bool(table.held_out[row]),
        **{name: known(getattr(table, name)[row]) for name in ("rate_first", "rate_last", "rate", "mean")},
    }
