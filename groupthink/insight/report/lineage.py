"""Where a stage's model and data came from, and which versions of them they were."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from groupthink.insight.report.records import Origin
from groupthink.pipeline.references import REFERENCE, place_of, references
from groupthink.recipe import Recipe
from groupthink.run.versions import data_version, weights_version

MODEL, TEACHER = "model", "distill.teacher"
TASKS = ("task", "sft.tasks")
NANO = "nano"
"""The bundled model, whatever folder is called so."""

PLACE = "data:"
"""What stands before the place of a data set, where it is named as a task."""

Makers = Mapping[str, Path]
"""The run directories of the stages before, by their names."""


def origins_of(
    path: Path, recipe: Recipe, makers: Makers, took: Mapping[str, str] = MappingProxyType({})
) -> tuple[Origin, ...]:
    """What the stage in `path` took, each thing once: its model, its data, and what else of stages its recipe names.

    `recipe` says `stage:NAME` of what a stage of the same pipeline made, so that it does not matter where that lies.
    `took`: the versions of what stages made, by their names, as they were noted when this one began; of others those
    are told that lie there now.
    """
    named = list(_named(recipe))
    told = {text for _, text in named}
    others = ((setting, f"{REFERENCE}{name}") for setting, name in references(recipe))
    named += [(setting, text) for setting, text in others if text not in told]
    return tuple(_origin(path, recipe, setting, text, makers, took) for setting, text in named)


def _named(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """The settings by which every stage of a kind names what it takes, and what they say."""
    yield MODEL, recipe.model
    if recipe.stage == "distill":
        yield TEACHER, recipe.distill.teacher
    if recipe.stage == "sft":
        yield from (("sft.tasks", task) for task in recipe.sft.tasks)
    else:
        yield from (("task", f"{PLACE}{recipe.task.data}" if task == "data" else task) for task in recipe.task.names)


def maker(text: str, makers: Makers, *, task: bool = False) -> str | None:
    """The stage that made what `text` names, by its name or by a path into its folder; None: it is of elsewhere.

    `task`: it names a task, whose place is only what says so.
    """
    if text.startswith(REFERENCE):
        name = text.removeprefix(REFERENCE)
        return name if name in makers else None
    place = Path(text.removeprefix(PLACE)).expanduser()
    # A name, such as "nano", "quadratics" or a hub id, is no path below whatever folder this is asked in.
    if not text.startswith(PLACE) and (task or text == NANO or not (place.is_absolute() or place.exists())):
        return None
    place = place.resolve()
    return next((name for name, run in makers.items() if place.is_relative_to(run.resolve())), None)


def _origin(path: Path, recipe: Recipe, setting: str, text: str, makers: Makers, took: Mapping[str, str]) -> Origin:
    source = maker(text, makers, task=setting in TASKS)
    if setting == MODEL and recipe.stage == "sft" and recipe.sft.from_scratch:
        return Origin(setting, f"architecture of {source or text}", None)
    if source is not None:
        now = data_version(makers[source] / "data") or weights_version(makers[source])
        return Origin(setting, source, took.get(source, now))
    if setting == MODEL:
        return Origin(setting, text, weights_version(path, newest=False))
    place = _place(recipe, text)
    return Origin(setting, text if place is None else place, None if place is None else data_version(Path(place)))


def _place(recipe: Recipe, text: str) -> str | None:
    """Where a data set lies; None for what is none."""
    if text.startswith(PLACE):
        return text.removeprefix(PLACE)
    return recipe.task.arguments.get(place_of(text.removeprefix(REFERENCE))) if text.startswith(REFERENCE) else None
