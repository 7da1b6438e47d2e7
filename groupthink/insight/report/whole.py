"""Where a recipe of several stages stands as a whole: what is done, what is to come, and what its gates found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groupthink.insight.report.records import Standing, Whole
from groupthink.pipeline import Stage
from groupthink.pipeline.gate import figures_of
from groupthink.pipeline.reading import load_pipeline
from groupthink.run.files import read_object
from groupthink.run.heartbeat import EVERY, seconds_since
from groupthink.run.lines import read_events
from groupthink.run.lock import LOCK, is_abandoned
from groupthink.run.stages import PIPELINE, is_done, stage_place

ALIVE = 12 * EVERY
"""Seconds since the last heartbeat within which a recipe counts as at work."""


def whole_of(run: Path) -> Whole:
    """Of the pipeline in `run`, from its files."""
    beat = seconds_since(run / LOCK)
    alive = beat is not None and beat < ALIVE and not is_abandoned(run / LOCK)
    pipeline, events = load_pipeline(run / PIPELINE), read_events(run / "events.jsonl")
    stages = tuple(
        _standing(stage, stage_place(run, pipeline, number), events, alive)
        for number, stage in enumerate(pipeline.stages)
    )
    if is_done(run):
        return Whole("finished", stages)
    return Whole("at work" if alive else "stopped", stages)


def _standing(stage: Stage, place: Path, events: Sequence[Mapping[str, Any]], alive: bool) -> Standing:
    if not is_done(place):
        begun = "at work" if alive else "cut off"
        return Standing(stage.name, begun if (place / "recipe.toml").is_file() else "to come", stage.require, None, {})
    found = figures_of(read_object(place / "summary.json")) if stage.gate else {}
    figures = {bound.figure: found.get(bound.figure) for bound in stage.gate}
    return Standing(stage.name, "done", stage.require, _verdict(stage, events), figures)


def _verdict(stage: Stage, events: Sequence[Mapping[str, Any]]) -> bool | None:
    """Whether the gate was kept, as it is now, since the stage was last begun; None: it was not put yet."""
    kept = None
    for event in events:
        if event.get("stage") == stage.name:
            if event["event"] == "stage started":
                kept = None
            elif event["event"] in ("gate passed", "gate failed") and event["require"] == stage.require:
                kept = event["event"] == "gate passed"
    return kept
