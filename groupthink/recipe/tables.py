"""Tables of settings, laid one over the other, become a recipe: every name known, every value of its type."""

import math
from collections.abc import Mapping
from typing import Any, get_args, get_origin

from groupthink.elsewhere import here
from groupthink.nearest import nearest
from groupthink.policy.objective.rows import ROWS
from groupthink.recipe.names import TABLES, WITH_COLONS, setting_names, types_of, unknown
from groupthink.recipe.recipe import Recipe
from groupthink.recipe.toml import read_toml

Table = dict[str, Any]
"""What TOML holds, one level of tables deep."""


def build_recipe(*layers: Table) -> Recipe:
    """The recipe that tables say together, each going before the next.

    The row of `objective.name` stands just below the first table that names it. Raises ValueError as `load_recipe`.
    """
    naming = next((place for place, layer in enumerate(layers) if _row_name(layer)), len(layers) - 1)
    name = _row_name(layers[naming]) or "grpo"
    if not isinstance(name, str) or name not in ROWS:  # TOML can hold a table there
        raise ValueError(f"objective.name is {str(name)[:60]!r}: did you mean {nearest(str(name), ROWS)}?")
    merged: Table = {}
    for layer in reversed([*layers[: naming + 1], _row(name), *layers[naming + 1 :]]):
        merged = _over(layer, merged)
    return _build(merged)


def override(given: Table, word: str) -> None:
    """Set one `key=value` word in `given`, which holds such words alone. Raises ValueError for what is no such word."""
    name, sign, text = (part.strip() for part in word.partition("="))
    if not name or not sign:
        raise ValueError(f"{word!r} is not a setting: write key=value, such as steps=400")
    table, dot, key = name.partition(".")
    if not dot:
        given[name] = _value(text)
    elif isinstance(given.setdefault(table, {}), dict) and (table in TABLES or table not in types_of(Recipe)):
        given[table][key.strip("\"'")] = _value(text)
    else:
        raise unknown(name)


def _value(text: str) -> Any:
    """TOML where it is TOML; else the words themselves, so that `model=nano` needs no quotes."""
    try:
        read = read_toml(f"value = {text}")
    except ValueError:
        return text
    return read["value"] if read.keys() == {"value"} else text


def _row_name(given: Table) -> Any:
    """The objective that is named, or None."""
    objective = given.get("objective")
    return objective.get("name") if isinstance(objective, dict) else None


def _row(name: str) -> Table:
    """What the row of an objective settles, by table."""
    row: Table = {}
    for full_name, value in ROWS[name].items():
        table, _, key = full_name.partition(".")
        row.setdefault(table, {})[key] = value
    return row


def _over(high: Table, low: Table) -> Table:
    """All that both say; what `high` says goes before."""
    merged = dict(low)
    for key, value in high.items():
        below = low.get(key, {})
        # A table that is no table is left for `_build` to refuse.
        merged[key] = {**below, **value} if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _build(given: Mapping[str, Any]) -> Recipe:
    hints = types_of(Recipe)
    arguments: dict[str, Any] = {}
    for key, value in given.items():
        if key in TABLES:
            if not isinstance(value, dict):
                raise ValueError(f"{key} is a table, not a setting: write [{key}] and its settings below it")
            arguments[key] = _build_table(key, value)
        elif key in hints:
            arguments[key] = _checked(key, value, hints[key])
        elif isinstance(value, dict):
            if theirs := next(filter(None, (here(f"{key}.{inner}") for inner in value)), None):
                raise ValueError(f"unknown table [{key}]: did you mean {theirs}")
            table = nearest(key, TABLES)
            known = [name for name in setting_names() if name in {f"{table}.{inner}" for inner in value}]
            raise ValueError(f"unknown table [{key}]: did you mean {', '.join(known) or f'[{table}]'}?")
        else:
            raise unknown(key)
    return Recipe(**arguments)


def _build_table(table: str, given: Mapping[str, Any]) -> Any:
    hints = types_of(TABLES[table])
    arguments: dict[str, Any] = {}
    taken = next((name for name in WITH_COLONS if name in hints), None)
    for key, value in given.items():
        name = f"{table}.{key}"
        if taken and ":" in key:
            kind = get_args(hints[taken])[1]
            arguments.setdefault(taken, {})[key] = _checked(name, value, kind)
        elif key in hints and key not in WITH_COLONS:
            arguments[key] = _checked(name, value, hints[key])
        else:
            raise unknown(name)
    return TABLES[table](**arguments)


def _checked(name: str, value: Any, kind: Any) -> Any:
    """`value` as `kind`: an int will do for a float, a list becomes a tuple; anything else is refused."""
    if kind is Any:
        return _finite(name, value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            if math.isfinite(value):
                return float(value)
        except OverflowError:  # a whole number of hundreds of digits
            pass
        raise ValueError(f"{name} is {str(value)[:60]}: expected a finite number")
    if get_origin(kind) in (tuple, list) and isinstance(value, list):
        return tuple(_checked(name, item, get_args(kind)[0]) for item in value)
    if isinstance(kind, type) and isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise ValueError(f"{name} is {value!r}: expected {_in_words(kind)}")


def _finite(name: str, value: Any) -> Any:
    """What another program takes: anything but what no number equals, for a resume compares recipes."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}: expected a finite number")
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(name, inner)
    return value


def _in_words(kind: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if get_origin(kind) in (tuple, list):
        return f"a list, each item {_in_words(get_args(kind)[0])}"
    return words[kind]
