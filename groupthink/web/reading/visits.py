"""One problem through all of training: each visit to it, and what evaluations made of it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.task import TASKS
from groupthink.web.reading.chains import asked, chain_of, opening_at, opening_of
from groupthink.web.reading.evaluations import evaluations_of, responses_to
from groupthink.web.reading.index import groups_of
from groupthink.web.reading.numbers import cut, known
from groupthink.web.reading.places import own_name
from groupthink.web.reading.rows import Rows, read_rows, recorded_steps

COLUMNS = ("task", "prompt", "prompt_ids", "expected", "response", "text", "reward", "parts", "advantage", "sampled")
SHOWN = 24
"""Visits whose responses are read, at most: the first, the last, and others evenly between them."""

SECONDS = 0.1
"""For which rollouts that were not read before are read at once."""

Traits = Callable[[str | None], frozenset[str]]
"""How a chain reasons, by name."""


def read_problem(place: Path, problem: str, name: str | None = None, shown: int = SHOWN) -> dict[str, Any]:
    """All visits to a problem, by its id; of `shown` of them the responses, of the others None.

    `steps` of `of` recorded ones were read so far: there may be more visits until they are the same. Raises LookupError
    where all are read, and no group and no evaluation knows the problem.
    """
    groups = groups_of(place, SECONDS)
    known_there = problem in groups.names
    where = np.flatnonzero(groups.problem == groups.names.index(problem)) if known_there else np.zeros(0, np.int64)
    evaluations = [
        (evaluation, rows) for evaluation in evaluations_of(place) if (rows := responses_to(evaluation, problem))
    ]
    if not len(where) and not evaluations and groups.steps >= groups.of:
        raise LookupError(f"no group and no evaluation of {place} has a problem {cut(problem, 200)!r}")
    chosen = set(np.unique(np.linspace(0, len(where) - 1, shown).round().astype(int)).tolist()) if len(where) else set()
    rate, about = groups.rate, dict[str, Any]()
    visits = []
    for number, row in enumerate(where.tolist()):
        visit: dict[str, Any] = {
            "step": int(groups.step[row]),
            "group": int(groups.group[row]),
            "rate": known(rate[row]),
            "mean": known(groups.mean[row]),
            "length": known(groups.length[row]),
            "methods": None,
            "responses": None,
        }
        if number in chosen:
            some = _rows(place, visit["step"], visit["group"])
            if some is not None:
                about = about or {key: some.value(key, 0) for key in ("task", "prompt", "expected")}
                visit["responses"] = _responses(place, some)
                visit["methods"] = dict(Counter(trait for one in visit["responses"] for trait in one["traits"]))
        visits.append(visit)
    if not about and evaluations:
        first = evaluations[0][1][0]
        about = {"task": None, "prompt": first.get("prompt"), "expected": first.get("expected")}
    opening = opening_at(place, max(recorded_steps(place), default=None)) if evaluations else ""  # as in training
    return {
        "run": name or own_name(place),
        "problem": problem,
        "task": about.get("task"),
        "prompt": asked(about.get("prompt") or ""),
        "expected": about.get("expected"),
        "visits": visits,
        "evaluations": [
            {"name": evaluation.name, "step": evaluation.step, "responses": [_evaluated(row, opening) for row in rows]}
            for evaluation, rows in evaluations
        ],
        "steps": groups.steps,
        "of": groups.of,
    }


def traits_by(task: str | None) -> Traits:
    """How chains of a bundled task reason; of others nothing is known."""
    if task is not None and task in TASKS:
        return TASKS[task](0, "held_out").traits
    return lambda reasoning: frozenset()


def _rows(place: Path, step: int, group: int) -> Rows | None:
    """The responses of a group; None where they are gone, or damaged."""
    try:
        rows = read_rows(place, step, COLUMNS)
    except (LookupError, ValueError):
        return None
    return rows.group(group) if group < len(rows.starts) - 1 else None


def _responses(place: Path, rows: Rows) -> list[dict[str, Any]]:
    prompts = rows.tokens("prompt_ids")
    opening = opening_of(place, [] if prompts[0] is None else prompts[0].tolist())
    traits = traits_by(rows.value("task", 0))
    columns = zip(
        rows.values("text"), rows.numbers("reward"), rows.right, rows.lengths, rows.numbers("advantage"), strict=True
    )
    return [
        {
            "response": row,
            **_chain(text, opening),
            "reward": known(reward),
            "right": None if np.isnan(right) else bool(right),
            "length": int(length),
            "advantage": known(advantage),
            "traits": sorted(traits(chain_of(text or "", opening).reasoning)),
        }
        for row, (text, reward, right, length, advantage) in enumerate(columns)
    ]


def _evaluated(row: dict[str, Any], opening: str) -> dict[str, Any]:
    keys = ("right", "length", "kind", "finish", "extracted")
    told = {key: row.get(key) for key in keys}
    return {**_chain(row.get("text"), opening), **told, "traits": row.get("traits") or []}


def _chain(text: str | None, opening: str) -> dict[str, Any]:
    chain = chain_of(text or "", opening)
    return {"text": text, "reasoning": chain.reasoning, "answer": chain.answer}
