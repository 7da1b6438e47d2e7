"""A pipeline from TOML: defaults for all stages, then the stages, and words of the command line on top."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from groupthink.nearest import nearest
from groupthink.pipeline import Pipeline, Stage
from groupthink.pipeline.references import PREVIOUS, REFERENCE, renamed, toml_table, wanted_by
from groupthink.pipeline.rounds import Entry, entries_of
from groupthink.recipe import STAGE_LIST, TABLES, Recipe, Table, build_recipe, override, read_table, setting_names

NEEDLESS = {"steps": ("sample", "evaluate")}
"""Settings that say nothing to stages of some kinds."""

OWN = {"sft": "sft", "sample": "sample", "distill": "distill"}
"""Tables that say something to stages of one kind alone."""


def has_stages(path: str | Path | None) -> bool:
    """Whether a recipe has stages. Raises as `read_table`."""
    return STAGE_LIST in read_table(path)


def load_pipeline(
    path: str | Path | None,
    overrides: Sequence[str] = (),
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> Pipeline:
    """The stages of the recipe in `path`, with `key=value` words on top.

    `steps=10` and `rollout.max_tokens=64` are said for all stages, before what the file says for all of them;
    `zero.steps=10` and `zero.rollout.max_tokens=64` for the stage `zero` alone, before all else; where it is repeated,
    for all its rounds, and `zero-2.steps=10` for the second of them, before that. Where a stage is called as a table
    is, a word that could be either sets the table for all stages. `settings` are what a file would hold, such as
    `{"rollout": {"group_size": 4}}`: for all stages, too, before the file, and words before them.

    A further round draws by a seed of its own: that of the first, and 1 more for each round, unless the stage says its.

    Raises FileNotFoundError where there is no such file, and ValueError for whatever in it makes no sense.
    """
    given = read_table(path)
    if STAGE_LIST not in given:
        raise ValueError(f"{path} has no stages: begin each with [[stages]] and its name")
    entries = entries_of(given.pop(STAGE_LIST))
    for_all, for_one = _sorted_words(overrides, entries, given, settings)
    built: list[Stage] = []
    for entry in entries:
        said = for_one.get(entry.name, {})
        rounds = entry.renamed(for_one.get(entry.first, {})) if entry.turn > 1 else {}
        layers = [said, rounds, entry.said]
        require = next((layer["require"] for layer in layers if "require" in layer), "")
        own = [{key: value for key, value in layer.items() if key != "require"} for layer in layers]
        try:
            if not isinstance(require, str):
                raise ValueError(f'require is {require!r}: write it as text, such as require = "pass@1 >= 0.6"')
            recipe = build_recipe(*own, for_all, given)
            if not any("seed" in layer for layer in own):
                recipe = replace(recipe, seed=recipe.seed + entry.turn - 1)
            recipe = _with_previous(recipe, built, for_all.get("model", given.get("model", Recipe.model)))
        except ValueError as error:
            raise ValueError(f"stage {entry.name}: {error}") from None
        built.append(Stage(entry.name, recipe, require))
    return Pipeline(tuple(built))


def _sorted_words(
    words: Sequence[str], entries: Sequence[Entry], given: Table, settings: Mapping[str, Any]
) -> tuple[Table, dict[str, Table]]:
    """What `settings` and `key=value` words say for all stages, and words for each alone, by its name."""
    names = [entry.name for entry in entries]
    for_all: Table = {name: dict(value) if isinstance(value, Mapping) else value for name, value in settings.items()}
    for_one: dict[str, Table] = {}
    for key, value in _flat(for_all):
        _require_effect(key, f"{key}={value}", entries, for_all.get("stage", given.get("stage", Recipe.stage)))
    for word in words:
        key = word.partition("=")[0].strip()
        first, dot, rest = key.partition(".")
        if dot and first in names and not (first in TABLES and key in setting_names()):
            override(for_one.setdefault(first, {}), word.strip().removeprefix(f"{first}."))
        elif dot and first not in TABLES:
            raise ValueError(
                f"{word!r} sets something of {first!r}, which is no stage and no table: {_likely(first, rest, names)}"
            )
        else:
            _require_effect(key, word, entries, for_all.get("stage", given.get("stage", Recipe.stage)))
            override(for_all, word)
    return for_all, for_one


def _flat(table: Table) -> Iterator[tuple[str, Any]]:
    """Every setting of a table by its full name, with its value."""
    for name, value in table.items():
        inner = value.items() if isinstance(value, dict) else ()
        yield from ((f"{name}.{key}", one) for key, one in inner)
        if not isinstance(value, dict):
            yield name, value


def _likely(first: str, rest: str, names: Sequence[str]) -> str:
    """What was probably meant by the word FIRST.REST, of names and settings that there are."""
    tables = [table for table in TABLES if f"{table}.{rest}" in setting_names()]
    stages = f"the stages are {', '.join(names)}"
    return f"did you mean {nearest(first, [*names, *tables])}.{rest}? ({stages})"


def _require_effect(key: str, word: str, entries: Sequence[Entry], kind: Any) -> None:
    """Raise ValueError where every stage to which a word for all says anything says that itself. `kind`: of most."""
    table = key.partition(".")[0]
    heard = [
        entry
        for entry in entries
        if (its := entry.said.get("stage", kind)) not in NEEDLESS.get(key, ()) and OWN.get(table, its) == its
    ]
    if all(_says(entry.said, key) for entry in heard):
        one = f"{(heard or entries)[0].name}.{word}"
        names = ", ".join(entry.name for entry in heard)
        raise ValueError(
            f"{word!r} would change nothing, for each stage says its own {key}: set that of one, as in {one} "
            f"(the stages are {names})"
            if heard
            else f"{word!r} would change nothing: no stage here takes {key}"
        )


def _says(said: Table, key: str) -> bool:
    table, dot, inner = key.partition(".")
    held = said.get(table)
    return inner.strip("\"'") in held if dot and isinstance(held, dict) else table in said


def _with_previous(recipe: Recipe, before: Sequence[Stage], model: Any) -> Recipe:
    """The recipe in which `stage:previous` has become the name of a stage or, where no model came before, `model`."""

    def rename(setting: str, name: str) -> str:
        makers = [stage.name for stage in before if stage.makes == wanted_by(setting)]
        if name == PREVIOUS and not makers and setting == "model":
            return str(model)
        return REFERENCE + (makers[-1] if name == PREVIOUS and makers else name)

    return build_recipe(renamed(toml_table(recipe), rename))
