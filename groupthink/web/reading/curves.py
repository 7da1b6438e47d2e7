"""A run over its steps: its figures, what happened at which step, its evaluations, and the doctor's opinion."""

import time
from pathlib import Path
from typing import Any

from groupthink.recipe import BY_REWARDS, describe_step
from groupthink.run.stages import is_pipeline, stage_place
from groupthink.web.reading.evaluations import described, evaluations_of
from groupthink.web.reading.health import health_of, title_of
from groupthink.web.reading.places import own_name
from groupthink.web.reading.series import extent_of, series_of
from groupthink.web.reading.settings import recipe_of, stages_of, toml_of, weights_of
from groupthink.web.reading.status import WAITING, events_of, status_of

POINTS = 4000
"""Rows of figures that are given, at most: of longer runs each is of two steps, or three, ..."""


def read_run(place: Path, name: str | None = None, now: float | None = None) -> dict[str, Any]:
    """All that is to be said of the run, or the recipe of several stages, in `place`, without its responses.

    `name`: what it is called. Raises LookupError where it is gone, and ValueError where its recipe cannot be read.
    """
    name, now = name or own_name(place), time.time() if now is None else now
    found = _of_stages(place, name, now) if is_pipeline(place) else _of_run(place)
    status = status_of(place, now)
    return {"name": name, "status": status.status, "why": status.why, "recipe": toml_of(place), **found}


def _of_run(place: Path) -> dict[str, Any]:
    recipe, series, health = recipe_of(place), series_of(place), health_of(place)
    every = max(1, -(-len(series) // POINTS))
    gathered = series.gathered(every)
    evaluations = [found for one in evaluations_of(place) if (found := described(one)) is not None]
    compares = recipe.stage in BY_REWARDS
    weights = weights_of(recipe)
    parts = [part for part in weights if f"rewards/{part}/mean" in series.columns]
    return {
        "kind": recipe.stage,
        "model": recipe.model,
        "steps": recipe.steps,
        "done": len(series),
        "words": describe_step(recipe),
        "first": int(series.steps[0]) if len(series) else None,
        "steps_axis": gathered.steps.tolist(),
        "every": every,
        "series": gathered.shown(),
        "marks": marks_of(place, evaluations),
        "evaluations": evaluations,
        "findings": health.findings,
        "healthy": health.healthy,
        "stages": [],
        "parts": {part: weights[part] for part in parts} or recipe.reward.weights,
        "estimator": recipe.advantage.estimator if compares else None,
        "objective": recipe.objective.name if compares else None,
    }


def _of_stages(place: Path, name: str, now: float) -> dict[str, Any]:
    pipeline = stages_of(place)
    stages = []
    for number, stage in enumerate(pipeline.stages):
        inner = stage_place(place, pipeline, number)
        begun = (inner / "recipe.toml").is_file()
        stages.append(
            {
                "name": stage.name,
                "run": f"{name}/{inner.relative_to(place).as_posix()}" if begun else None,
                "kind": stage.kind,
                "status": status_of(inner, now).status if begun else WAITING,
                "steps": stage.recipe.steps,
                "done": extent_of(inner).steps if begun else 0,
                "require": stage.require,
            }
        )
    told = ", ".join(f"{stage.name} ({stage.kind})" for stage in pipeline.stages)
    return {
        "kind": "pipeline",
        "model": pipeline.stages[0].recipe.model,
        "steps": sum(stage["steps"] for stage in stages),
        "done": sum(stage["done"] for stage in stages),
        "words": f"{len(stages)} stages, one after the other: {told}.",
        "first": None,
        "steps_axis": [],
        "every": 1,
        "series": {},
        "marks": marks_of(place, []),
        "evaluations": [],
        "findings": [],
        "healthy": None,
        "stages": stages,
        "parts": {},
        "estimator": None,
        "objective": None,
    }


def marks_of(place: Path, evaluations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What happened to a run, in its order; `step` is None where it belongs to none. The text follows upon the kind.

    A checkpoint or an evaluation is of the policy as it was before the step whose number it has.
    """
    marks = [mark for event in events_of(place) if (mark := _mark(event)) is not None]
    marks += [
        {"step": one["step"], "kind": "evaluation", "text": _evaluated(one)} for one in evaluations if one["step"]
    ]
    return marks


def _mark(event: dict[str, Any]) -> dict[str, Any] | None:
    kind, step = event["event"], event.get("step")
    words = {
        "checkpoint": lambda: "",
        "finding": lambda: f"{title_of(str(event.get('cause')))} {event.get('evidence', '')}",
        "disagreement": lambda: f"of engine and learner: {event.get('cause', '')}",
        "restarted": lambda: f"a process ended or hung: {event.get('reason', '')}",
        "resumed": lambda: "",
        "finished": lambda: "",
        "ended early": lambda: str(event.get("reason", "")),
        "stage started": lambda: str(event.get("stage")),
        "stage done": lambda: str(event.get("stage")),
        "gate passed": lambda: f"stage {event.get('stage')} has reached what it must: {event.get('require', '')}",
        "gate failed": lambda: f"stage {event.get('stage')} has not reached what it must: {event.get('require', '')}",
        "replaced": lambda: f"stage {event.get('stage')} was set aside",
    }
    if kind not in words:
        return None
    return {
        "step": step if isinstance(step, int) else None,
        "kind": kind,
        "text": words[kind](),
        "time": event.get("time"),
    }


def _evaluated(found: dict[str, Any]) -> str:
    share = found["pass@1"]
    return "" if share is None else f"pass@1 {share:.1%}"
