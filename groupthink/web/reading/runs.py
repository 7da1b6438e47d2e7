"""The list of runs: a card for each, with what one sees of it at a glance."""

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.run.printable import printable
from groupthink.run.stages import is_pipeline
from groupthink.web.reading.evaluations import described, evaluations_of
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.numbers import all_known
from groupthink.web.reading.places import Places, pipeline_of
from groupthink.web.reading.series import METRICS, Series, series_of
from groupthink.web.reading.settings import recipe_of, stages_of
from groupthink.web.reading.status import UNREADABLE, events_of, last_written, status_of

SPARK = 60
"""Points of a card's curve, at most."""

Card = dict[str, Any]

NO_DIGEST: Card = {"done": 0, "reward": None, "length": None, "spark": []}
NO_ACCURACY: Card = {"accuracy": None, "accuracy_low": None, "accuracy_high": None, "accuracy_before": None}


def list_runs(folder: Path | Places, now: float | None = None) -> dict[str, Any]:
    """Cards of all runs below a folder, the one that wrote last first. Raises LookupError where there is no folder."""
    places = folder if isinstance(folder, Places) else Places(folder)
    now = time.time() if now is None else now
    cards = [card for name in places.names() if (card := _card(places, name, now)) is not None]
    for card in cards:
        if card["kind"] == "pipeline":
            _sum_up(card, [one for one in cards if one["part_of"] == card["name"]])
    ordered = sorted(cards, key=lambda card: (-card["last"], card["name"]))
    return {"folder": str(places.folder), "runs": ordered}


def _card(places: Places, name: str, now: float) -> Card | None:
    """None where the run has gone meanwhile. One whose files cannot be read has a card that says so."""
    try:
        place = places.path(name)
    except LookupError:
        return None
    whole = pipeline_of(place)
    card = {
        "name": name,
        "kind": None,
        "status": UNREADABLE,
        "why": "",
        "model": None,
        "steps": 0,
        "begun": None,
        "last": last_written(place),
        "stages": [],
        "part_of": places.name(whole) if whole is not None and whole.is_relative_to(places.folder) else None,
        **NO_DIGEST,
        **NO_ACCURACY,
    }
    try:
        return _filled(card, place, now)
    except Exception as error:  # whatever stands in its files: the others are still to be listed
        return card | {"why": f"it cannot be read: {printable(str(error)) or type(error).__name__}"}


def _filled(card: Card, place: Path, now: float) -> Card:
    status = status_of(place, now)
    begun = next((event["time"] for event in events_of(place) if isinstance(event.get("time"), int | float)), None)
    card = card | {"status": status.status, "why": status.why, "begun": begun}
    card |= {**_digest(place / METRICS), **_accuracy(place)}
    try:
        if is_pipeline(place):
            pipeline = stages_of(place)
            steps = sum(stage.recipe.steps for stage in pipeline.stages)
            return card | {
                "kind": "pipeline",
                "model": pipeline.stages[0].recipe.model,
                "steps": steps,
                "stages": pipeline.names,
            }
        recipe = recipe_of(place)
        return card | {"kind": recipe.stage, "model": recipe.model, "steps": recipe.steps}
    except (LookupError, ValueError, OSError) as error:
        return card | {"why": f"{card['why']}; its recipe cannot be read: {error}"}


def _read_digest(metrics: Path) -> Card:
    series = series_of(metrics.parent)
    return {
        "done": len(series),
        "reward": series.last("reward"),
        "length": series.last("completions/mean_length"),
        "spark": spark(series),
    }


def spark(series: Series) -> list[float | None]:
    """The course of the reward in at most SPARK points, each the mean of as many steps."""
    values = series.columns.get("reward")
    if values is None or not np.isfinite(values).any():
        return []
    points = min(SPARK, len(values))
    cuts = [round(index * len(values) / points) for index in range(points + 1)]
    buckets = [values[start:end][np.isfinite(values[start:end])] for start, end in pairwise(cuts)]
    return all_known([bucket.mean() if len(bucket) else np.nan for bucket in buckets])


def _accuracy(place: Path) -> Card:
    """Of the newest evaluation, and of the one before the first step."""
    found = [figures for one in evaluations_of(place) if (figures := described(one)) is not None]
    last: dict[str, Any] = found[-1] if found else {}
    first: dict[str, Any] = found[0] if len(found) > 1 or (found and found[0]["name"] == "before") else {}
    return {
        "accuracy": last.get("pass@1"),
        "accuracy_low": last.get("pass@1_low"),
        "accuracy_high": last.get("pass@1_high"),
        "accuracy_before": first.get("pass@1"),
    }


def _sum_up(card: Card, stages: list[Card]) -> None:
    """What the stages of a recipe come to together: the figures of the newest that has them."""
    ordered = sorted(stages, key=lambda one: str(one["name"]))
    card["done"] = sum(one["done"] for one in ordered)
    for one in ordered:
        if one["reward"] is not None:
            card |= {name: one[name] for name in ("reward", "length", "spark")}
        if one["accuracy"] is not None:
            card |= {name: one[name] for name in ("accuracy", "accuracy_low", "accuracy_high")}
    before = [one["accuracy_before"] for one in ordered if one["accuracy_before"] is not None]
    card["accuracy_before"] = before[0] if before else None


_digest = Kept(_read_digest, most=4096)
