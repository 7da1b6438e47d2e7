"""Options and words that several verbs have."""

import argparse
from collections.abc import Sequence


def add_recipe(verb: argparse.ArgumentParser) -> None:
    """`words`, for `recipe_and_settings`."""
    verb.add_argument(
        "words",
        nargs="*",
        metavar="RECIPE | key=value",
        help="a TOML file or the name of a bundled recipe (default: nano), and settings that go before it, such as "
        "steps=400",
    )


def add_model(verb: argparse.ArgumentParser) -> None:
    """`model`, and whether its own code may run."""
    verb.add_argument("model", metavar="MODEL", help="nano, a run, a checkpoint, a local folder or a hub id")
    verb.add_argument(
        "--trust-remote-code", action="store_true", help="run the code that comes with the model, where it needs some"
    )


def add_json(verb: argparse.ArgumentParser) -> None:
    """`json`."""
    verb.add_argument("--json", action="store_true", help="print one JSON object on standard output, and nothing else")


def count(text: str) -> int:
    """The type of an option that is a whole number from 1 upwards."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 upwards")
    return int(text)


def recipe_and_settings(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """A word with `=` is a setting, the one without is the recipe. Raises ValueError for a second one."""
    settings = [word for word in words if "=" in word]
    recipes = [word for word in words if "=" not in word]
    if len(recipes) > 1:
        raise ValueError(f"one recipe at a time, not {' and '.join(recipes)} (a setting is written key=value)")
    return (recipes[0] if recipes else None), settings
