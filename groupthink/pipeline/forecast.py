"""What a stage will be, as far as it can be known before the stages that it takes from have run."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from groupthink.pipeline import Pipeline
from groupthink.pipeline.references import REFERENCE, renamed, toml_table, wanted_by
from groupthink.recipe import Recipe, Table, build_recipe


def forecast(pipeline: Pipeline, number: int, made: Mapping[str, str] = MappingProxyType({})) -> Recipe:
    """The recipe of a stage (counted from 0) by which all that can be known of it is checked.

    A model to come is of the kind of the one that it will have been made from; `made`: models that are there already,
    by the name of their stage. A data set to come is left out of the tasks or, where there is no other, holds the
    problems of the first task that it will have been sampled from.
    """
    recipe = pipeline.stages[number].recipe

    def origin(setting: str, name: str) -> str:
        if wanted_by(setting) == "model":
            return _origin(pipeline, name, made)
        return REFERENCE + name

    table: Table = renamed(toml_table(recipe), origin)
    task, sft = table["task"], table["sft"]
    for part, key, beside in ((task, "mixture", ("shares", "splits")), (sft, "tasks", ("shares",))):
        here = [place for place, name in enumerate(part[key]) if not name.startswith(REFERENCE)]
        if part[key] and not here:
            part[key], here = [_first_task(pipeline, part[key][0])], [0]
        for column in (key, *beside):
            part[column] = [part[column][place] for place in here] if part[column] else []
    task["name"] = _first_task(pipeline, task["name"])
    return build_recipe(table)


def _origin(pipeline: Pipeline, name: str, made: Mapping[str, str]) -> str:
    """The model of a stage, or else the one that it goes back to."""
    if name in made:
        return made[name]
    model = pipeline[name].recipe.model
    return _origin(pipeline, model.removeprefix(REFERENCE), made) if model.startswith(REFERENCE) else model


def _first_task(pipeline: Pipeline, task: Any) -> str:
    """A task that is known: `task`, or the first that the data set of a stage is sampled from."""
    if not task.startswith(REFERENCE):
        return str(task)
    return _first_task(pipeline, pipeline[task.removeprefix(REFERENCE)].recipe.task.names[0])
