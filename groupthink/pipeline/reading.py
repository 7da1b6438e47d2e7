"""A pipeline from TOML: defaults for all stages, then the stages, some of them gone through several times."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groupthink.nearest import nearest
from groupthink.pipeline import Pipeline, Stage, require_name
from groupthink.pipeline.references import PREVIOUS, REFERENCE, renamed, toml_table, wanted_by
from groupthink.recipe import STAGE_LIST, TABLES, Recipe, Table, build_recipe, override, read_table, setting_names

OWN = ("name", "require", "repeat", "repeat_from")
"""What a stage says beside the settings of its recipe."""


def has_stages(path: str | Path | None) -> bool:
    """Whether a recipe has stages. Raises as `read_table`."""
    return STAGE_LIST in read_table(path)


def load_pipeline(path: str | Path | None, overrides: Sequence[str] = ()) -> Pipeline:
    """The stages of the recipe in `path`, with `key=value` words on top.

    `steps=10` and `rollout.max_tokens=64` are said for all stages, before what the file says for all of them;
    `zero.steps=10` and `zero.rollout.max_tokens=64` for the stage `zero` alone, before all else. Where a stage is
    called as a table is, a word that could be either sets the table for all stages.

    Raises FileNotFoundError where there is no such file, and ValueError for whatever in it makes no sense.
    """
    given = read_table(path)
    entries = _entries(given.pop(STAGE_LIST))
    for_all, for_one = _sorted_words(overrides, entries)
    built: list[Stage] = []
    for entry in entries:
        name = entry["name"]
        said = for_one.get(name, {})
        require = said.pop("require", entry.get("require", ""))
        own = {key: value for key, value in entry.items() if key not in OWN}
        try:
            if not isinstance(require, str):
                raise ValueError(f'require is {require!r}: write it as text, such as require = "pass@1 >= 0.6"')
            recipe = _with_previous(build_recipe(said, own, for_all, given), built)
        except ValueError as error:
            raise ValueError(f"stage {name}: {error}") from None
        built.append(Stage(name, recipe, require))
    return Pipeline(tuple(built))


def _entries(listed: Any) -> list[Table]:
    """One table for each stage that runs, in order: those that are repeated come again."""
    if not isinstance(listed, list) or not listed or not all(isinstance(entry, dict) for entry in listed):
        raise ValueError("stages is a list of tables: begin each stage with [[stages]] and its name")
    flat: list[Table] = []
    for entry in listed:
        if "name" not in entry:
            raise ValueError(f'stage {len(flat) + 1} has no name: give it one, such as name = "cold"')
        require_name(entry["name"])
        flat.append(entry)
        flat += _again(flat, entry)
    return flat


def _again(flat: Sequence[Table], last: Table) -> list[Table]:
    """The further rounds that a stage asks for, from an earlier one (or itself) up to it."""
    name, times, first = last["name"], last.get("repeat", 1), last.get("repeat_from", last["name"])
    if type(times) is not int or times < 1:
        raise ValueError(f"stage {name}: repeat is {times!r}: give a whole number of rounds, the first one counted")
    names = [entry["name"] for entry in flat]
    if first not in names:
        raise ValueError(
            f"stage {name}: repeat_from is {first!r}, and no stage up to this one is called so: did you mean "
            f"{nearest(str(first), names)}?"
        )
    if "repeat_from" in last and times == 1:
        raise ValueError(f"stage {name}: repeat_from is {first!r}: say in repeat how many rounds there are, from 2 up")
    group = flat[names.index(first) :]
    newest = {entry["name"]: entry["name"] for entry in group}
    more = []
    for turn in range(2, times + 1):
        for entry in group:
            again = renamed(
                {key: value for key, value in entry.items() if key not in ("repeat", "repeat_from")},
                lambda _, referred: REFERENCE + newest.get(referred, referred),
            )
            newest[entry["name"]] = again["name"] = f"{entry['name']}-{turn}"
            more.append(again)
    return more


def _sorted_words(words: Sequence[str], entries: Sequence[Table]) -> tuple[Table, dict[str, Table]]:
    """What `key=value` words say for all stages, and for each alone, by its name."""
    names = [entry["name"] for entry in entries]
    for_all: Table = {}
    for_one: dict[str, Table] = {}
    for word in words:
        key = word.partition("=")[0].strip()
        first, dot, rest = key.partition(".")
        if dot and first in names and not (first in TABLES and key in setting_names()):
            override(for_one.setdefault(first, {}), word.strip().removeprefix(f"{first}."))
        elif dot and first not in TABLES:
            raise ValueError(
                f"{word!r} sets something of {first!r}, which is no stage and no table: did you mean "
                f"{nearest(first, [*names, *TABLES])}.{rest}?"
            )
        else:
            _require_effect(key, word, entries)
            override(for_all, word)
    return for_all, for_one


def _require_effect(key: str, word: str, entries: Sequence[Table]) -> None:
    """Raise ValueError where every stage says itself what a word says for all of them."""
    if all(_says(entry, key) for entry in entries):
        names = ", ".join(entry["name"] for entry in entries)
        raise ValueError(
            f"{word!r} would change nothing, for each stage says its own {key}: set that of one, as in "
            f"{entries[0]['name']}.{word} (the stages are {names})"
        )


def _says(entry: Table, key: str) -> bool:
    table, dot, inner = key.partition(".")
    said = entry.get(table)
    return inner.strip("\"'") in said if dot and isinstance(said, dict) else table in entry


def _with_previous(recipe: Recipe, before: Sequence[Stage]) -> Recipe:
    """The recipe in which `stage:previous` has become the name of a stage, where there is such a stage."""

    def rename(setting: str, name: str) -> str:
        makers = [stage.name for stage in before if stage.makes == wanted_by(setting)]
        return REFERENCE + (makers[-1] if name == PREVIOUS and makers else name)

    return build_recipe(renamed(toml_table(recipe), rename))
