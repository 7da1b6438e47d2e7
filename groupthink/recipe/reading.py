"""A recipe is read: from a TOML file or one of the bundled ones, with `key=value` words on top."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any

from groupthink.nearest import nearest
from groupthink.recipe.recipe import Recipe
from groupthink.recipe.tables import Table, build_recipe, override
from groupthink.recipe.toml import read_toml

BUNDLED = files("groupthink").joinpath("recipes")
DEFAULT, SUFFIX = "nano", ".toml"
STAGE_LIST = "stages"
"""What a recipe of several stages lists: see `groupthink.pipeline`."""


def load_recipe(
    path: str | Path | None = None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Recipe:
    """The recipe in the TOML file `path`, with `key=value` words on top.

    `path`: a file, or the name of a recipe that comes with this package (see `bundled`); None: the default one, nano.

    `settings` are what a file would hold, such as `{"steps": 40, "rollout": {"group_size": 4}}`: they go before the
    file, and words before them.

    `objective.name` stands for a row of settings. Where the file names it, the row fills what the file leaves open;
    where a word names it, the row goes before what the file says, too. Other words go before the row.

    Raises FileNotFoundError where there is no such file, and ValueError for anything in it that is not a
    setting, or not of its type, or not sensible.
    """
    given = read_table(path)
    if STAGE_LIST in given:
        raise ValueError(
            f"{path} has several stages, and what reads it here takes one: train by it with `groupthink train {path}`, "
            "or name the run of one of its stages"
        )
    said = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for word in overrides:
        override(said, word)
    return build_recipe(said, given)


def read_table(path: str | Path | None = None) -> Table:
    """What stands in the recipe at `path` (see `load_recipe`), unchecked.

    Raises FileNotFoundError where there is none, and ValueError where it is not TOML.
    """
    try:
        return read_toml(_find(path or DEFAULT).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path or DEFAULT} is not TOML: {error}") from None


def bundled() -> list[str]:
    """The names of the recipes that come with this package."""
    return sorted(file.name.removesuffix(SUFFIX) for file in BUNDLED.iterdir() if file.name.endswith(SUFFIX))


def recipe_name(path: str | Path | None) -> str:
    """What a run by the recipe at `path` is called: "nano" where that is None.

    >>> recipe_name("recipes/qwen3-0.6b-gsm8k.toml")
    'qwen3-0.6b-gsm8k'
    """
    return Path(path or DEFAULT).name.removesuffix(SUFFIX)


def _find(path: str | Path) -> Path | Traversable:
    """A file, or a recipe of this package by its name."""
    if Path(path).is_file():
        return Path(path)
    names, name = bundled(), str(path)
    if name in names:
        return BUNDLED.joinpath(f"{name}{SUFFIX}")
    likely = "" if name.endswith(SUFFIX) or "/" in name else f"; did you mean {nearest(name, names)}?"
    raise FileNotFoundError(
        f"no recipe at {name}: give a TOML file (`groupthink train --dry-run > mine.toml` writes one) or the name of "
        f"one that is here ({', '.join(names)}{likely}); a setting is written key=value"
    )
