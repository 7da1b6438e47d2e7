"""The full names of settings, such as `policy.learning_rate`."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from groupthink.elsewhere import here
from groupthink.nearest import nearest
from groupthink.recipe.recipe import Recipe

WITH_COLONS = ("functions", "arguments")
"""The fields that take a table's keys with a colon. `"rewards.py:short" = 0.1` weighs a function of the user's own, and
`"chain_sum:max_terms" = 4` is an argument of a task."""


@cache
def types_of(table: Any) -> dict[str, Any]:
    """The types of the fields of a recipe or of one of its tables, by name."""
    return get_type_hints(table)


TABLES: dict[str, Any] = {name: kind for name, kind in types_of(Recipe).items() if is_dataclass(kind)}


def setting_names() -> Iterator[str]:
    """The full names of all settings, such as `policy.learning_rate`."""
    for name in types_of(Recipe):
        if name not in TABLES:
            yield name
    for table, kind in TABLES.items():
        yield from (f"{table}.{setting.name}" for setting in fields(kind) if setting.name not in WITH_COLONS)


def unknown(name: str) -> ValueError:
    """What is raised of a setting that there is not, with the one that was probably meant."""
    return ValueError(f"unknown setting {name}: did you mean {here(name) or f'{nearest(name, setting_names())}?'}")
