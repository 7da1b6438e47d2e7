"""A recipe is written down: as TOML, as a table, as settings by their full names."""

from dataclasses import asdict
from typing import Any

import tomli_w

from groupthink.policy.objective.rows import ROWS
from groupthink.recipe.names import WITH_COLONS
from groupthink.recipe.recipe import Recipe


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as TOML, every default written out; a setting of None is left out."""
    return tomli_w.dumps(recipe_table(recipe))


def recipe_table(recipe: Recipe) -> dict[str, Any]:
    """The recipe as a TOML table: what `dump_recipe` writes."""
    table = asdict(recipe)
    for inner in table.values():
        if isinstance(inner, dict):
            for colons in WITH_COLONS:
                inner.update(inner.pop(colons, {}))
    return _without_none(table)


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Every setting by its full name, such as `policy.learning_rate`."""
    flat: dict[str, Any] = {}
    for name, value in recipe_table(recipe).items():
        flat |= {f"{name}.{key}": inner for key, inner in value.items()} if isinstance(value, dict) else {name: value}
    return flat


def departures_of(recipe: Recipe) -> dict[str, tuple[Any, Any]]:
    """Settings that are not as the row of the recipe's objective has them, by full name: theirs, and the row's."""
    settings = settings_of(recipe)
    row = ROWS[recipe.objective.name]
    return {name: (settings[name], value) for name, value in row.items() if settings[name] != value}


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }
