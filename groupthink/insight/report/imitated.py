"""Held-out problems that are none to a model: it comes from one that has imitated answers to them."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from groupthink.insight.paired import Row, asked
from groupthink.model.place import resolve
from groupthink.pipeline.references import REFERENCE
from groupthink.recipe import Recipe, load_recipe
from groupthink.records import Prompt
from groupthink.run.stages import model_run, run_name
from groupthink.task import close_task, open_demonstrated

Imitating = tuple[str, Recipe]
"""A run by its name, and what it did; its data are named by where they lie."""


def runs_behind(model: str) -> Iterator[Imitating]:
    """The run that `model` lies in, that which this one's model lies in, and so on, as far as they are there."""
    seen: set[Path] = set()
    while (run := _run_of(model)) is not None and run not in seen:
        seen.add(run)
        recipe = load_recipe(run / "recipe.toml")
        yield run_name(run), recipe
        if begins_anew(recipe):
            return
        model = recipe.model


def begins_anew(recipe: Recipe) -> bool:
    """Whether nothing of a run's model is in what it makes but the architecture."""
    return recipe.stage == "sft" and recipe.sft.from_scratch


def imitated(rows: Sequence[Row], behind: Iterable[Imitating]) -> dict[str, int]:
    """How many of the problems that `rows` answer each run behind a model has imitated, by its name, where any."""
    problems = {asked(row): _said(row["prompt"]) for row in rows}
    found: dict[str, int] = {}
    for name, recipe in behind:
        shown = _shown(recipe) if recipe.stage == "sft" else frozenset()
        if count := sum(said in shown for said in problems.values()):
            found[name] = count
    return found


def _run_of(model: str) -> Path | None:
    try:
        place = resolve(model)
    except ValueError:  # it is gone
        return None
    if isinstance(place, str):
        return None
    runs = map(model_run, place.resolve().parents[:2])  # RUN/model, or RUN/checkpoints/step-000050
    return next((run for run in runs if run is not None), None)


def _shown(recipe: Recipe) -> frozenset[str]:
    """What is asked in the demonstrations of data sets that `recipe` imitates."""
    shown: set[str] = set()
    for name, share in zip(recipe.sft.tasks, recipe.sft.shares, strict=True):
        if share == 0 or not _is_data(name):
            continue
        try:
            task = open_demonstrated(name, recipe.seed, recipe.task)
        except (OSError, ValueError):  # the data set is gone
            continue
        try:
            shown |= {_said(problem.prompt) for problem in task.sample(0, getattr(task, "size", 0))}
        finally:
            close_task(task)
    return frozenset(shown)


def _is_data(task: str) -> bool:
    """Other tasks demonstrate nothing that they hold out."""
    return task == "data" or task.startswith((REFERENCE, "data:"))


def _said(prompt: Prompt) -> str:
    """A problem's own words, however they are kept: as text, as messages, or as messages in JSON."""
    if isinstance(prompt, str) and prompt.startswith('[{"role": '):
        prompt = tuple(json.loads(prompt))
    if not isinstance(prompt, str):
        prompt = " ".join(message["content"] for message in prompt if message["role"] != "system")
    return " ".join(prompt.split())
