"""A step: its groups, each with its responses as dots on an axis of reward."""

from pathlib import Path
from typing import Any

import numpy as np

from groupthink.web.reading.chains import chain_of, excerpt, opening_at
from groupthink.web.reading.groups import gradient_of
from groupthink.web.reading.index import EXCERPT, KINDS, kinds_of
from groupthink.web.reading.numbers import cut, known, mean_of
from groupthink.web.reading.places import own_name
from groupthink.web.reading.rows import Rows, read_rows, recorded_steps
from groupthink.web.reading.series import series_of
from groupthink.web.reading.settings import differs_by_token, recipe_of

COLUMNS = (
    *("problem", "task", "prompt", "expected", "response", "text", "finish", "reward", "parts", "extracted", "note"),
    *("advantage", "sampled", "change"),
)
LONGEST = 300
"""Characters of an answer or a note that are shown of each response."""


def read_step(place: Path, step: int, name: str | None = None) -> dict[str, Any]:
    """All responses of a step, without their texts; of a prompt its beginning. `name`: what the run is called.

    Raises LookupError where there is no such step, ValueError where its file cannot be read.
    """
    recipe = recipe_of(place)
    tokens = ("advantages",) if differs_by_token(recipe) else ()
    rows = read_rows(place, step, (*COLUMNS, *tokens))
    steps = recorded_steps(place) or [step]
    entries, live = _responses(place, rows, step), gradient_of(rows, recipe)
    rewards, right = rows.numbers("reward"), rows.right
    groups = []
    for number, (first, end) in enumerate(zip(rows.starts[:-1].tolist(), rows.starts[1:].tolist(), strict=True)):
        known_right = right[first:end][~np.isnan(right[first:end])]
        kind = kinds_of(np.array(known_right.sum()), np.array(len(known_right)))
        groups.append(
            {
                "group": number,
                "problem": rows.value("problem", first),
                "task": rows.value("task", first),
                "prompt": excerpt(rows.value("prompt", first) or "", EXCERPT),
                "expected": rows.value("expected", first),
                "mean": known(rewards[first:end].mean()),
                "kind": KINDS[int(kind)],
                "gradient": bool(live[first:end].any()),
                "responses": entries[first:end],
            }
        )
    return {
        "run": name or own_name(place),
        "step": step,
        "first": steps[0],
        "last": steps[-1],
        "metrics": series_of(place).at(step),
        "parts": list(rows.parts),
        "groups": groups,
    }


def _responses(place: Path, rows: Rows, step: int) -> list[dict[str, Any]]:
    opening = opening_at(place, step)
    columns = zip(
        rows.values("response"),
        rows.numbers("reward"),
        rows.numbers("advantage"),
        rows.right,
        rows.lengths,
        rows.values("finish"),
        rows.values("extracted"),
        rows.values("text"),
        rows.values("note"),
        rows.tokens("change"),
        rows.tokens("sampled"),
        strict=True,
    )
    parts = rows.parts
    entries = []
    for row, one in enumerate(columns):
        response, reward, advantage, right, length, finish, extracted, text, note, change, sampled = one
        moved = None if change is None or sampled is None else mean_of(change[sampled.astype(bool)])
        entries.append(
            {
                "response": response,
                "reward": known(reward),
                "advantage": known(advantage),
                "right": None if np.isnan(right) else bool(right),
                "length": None if np.isnan(length) else int(length),
                "finish": finish,
                "extracted": None if extracted is None else cut(extracted, LONGEST),
                "formed": chain_of(text or "", opening).well_formed,
                "note": cut(note or "", LONGEST),
                "parts": {name: known(column[row]) for name, column in parts.items()},
                "change": moved,
            }
        )
    return entries
