"""`stage:NAME` in a recipe: the model, or the data set, that an earlier stage made."""

from collections.abc import Callable, Iterator
from typing import Any

from groupthink.recipe import Recipe, Table, build_recipe, recipe_table, settings_of

REFERENCE = "stage:"
PREVIOUS = "previous"
"""`stage:previous` is what the newest stage before this one made that made such a thing."""


def references(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Each setting that names what an earlier stage made, and that stage: ("model", "zero")."""
    for setting, value in settings_of(recipe).items():
        for name in [value] if isinstance(value, str) else value if isinstance(value, list | tuple) else []:
            if isinstance(name, str) and name.startswith(REFERENCE):
                yield setting, name.removeprefix(REFERENCE)


def wanted_by(setting: str) -> str:
    """What a setting names: "data", where it names tasks, or else "model"."""
    return "data" if setting.startswith("task.") or setting.endswith(".tasks") else "model"


def renamed(table: Any, rename: Callable[[str, str], str], setting: str = "") -> Any:
    """A recipe's table in which `stage:NAME`, said by `setting`, has become `rename(setting, NAME)`."""
    if isinstance(table, dict):
        return {key: renamed(inner, rename, f"{setting}.{key}".lstrip(".")) for key, inner in table.items()}
    if isinstance(table, list):
        return [renamed(inner, rename, setting) for inner in table]
    if isinstance(table, str) and table.startswith(REFERENCE):
        return rename(setting, table.removeprefix(REFERENCE))
    return table


def toml_table(recipe: Recipe) -> Table:
    """The recipe as TOML holds it: lists in place of tuples."""
    return {key: _listed(value) for key, value in recipe_table(recipe).items()}


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(inner) for key, inner in value.items()}
    return [_listed(inner) for inner in value] if isinstance(value, list | tuple) else value


def with_places(recipe: Recipe, models: Callable[[str], str], data: Callable[[str], str]) -> Recipe:
    """The recipe as a run can take it. `models` and `data` give the place of what the stage of a name made.

    A data set's place goes into `task."NAME:place"`, and its task stays `stage:NAME`: what is drawn from it depends on
    the task's name, and so not on where the pipeline lies.
    """
    table = renamed(
        toml_table(recipe),
        lambda setting, name: f"{REFERENCE}{name}" if wanted_by(setting) == "data" else models(name),
    )
    named = {name for setting, name in references(recipe) if wanted_by(setting) == "data"}
    table["task"] |= {place_of(name): data(name) for name in sorted(named)}
    return build_recipe(table)


def place_of(name: str) -> str:
    """The argument of the task `stage:NAME` that says where its data set lies."""
    return f"{name}:place"


def placed(recipe: Recipe) -> set[str]:
    """The settings that `with_places` sets by where the pipeline lies; `recipe`: with its references as they stand."""
    return {
        setting if wanted_by(setting) == "model" else f"task.{place_of(name)}" for setting, name in references(recipe)
    }
