"""What a bundle holds of a run directory, in whatever state it is: a text for each name."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import tomli_w

from groupthink.insight.bundle.redaction import Redaction, lines_of
from groupthink.insight.doctor import examine, in_words
from groupthink.recipe.toml import read_toml

RECIPES = ("recipe.toml", "pipeline.toml")
LAST_FIGURES = 200
"""Lines of metrics.jsonl."""

LAST_WORDS = 20_000
"""Characters of the end of each log."""

LOGS = "vllm/*.log"
NEWEST = 20
"""Files of responses whose lines are looked for in what is bundled."""


def contents(run: Path, strike: Redaction) -> dict[str, str]:
    """The texts of one run, or of what a recipe of several stages keeps beside them, without secrets."""
    found = {name: _recipe(run / name, strike) for name in RECIPES if (run / name).is_file()}
    for name, last in (("events.jsonl", None), ("metrics.jsonl", LAST_FIGURES)):
        if (run / name).is_file():
            found[name] = _lines(run / name, strike, last)
    for log in sorted(run.glob(LOGS)):
        found[f"logs/{log.name}"] = strike.text(_or_why(partial(_end_of, log)))
    if (run / "recipe.toml").is_file():
        found["doctor.txt"] = strike.text(_or_why(lambda: "\n".join(in_words(examine(run))))) + "\n"
    return found


def _end_of(log: Path) -> str:
    return log.read_text("utf-8", "replace")[-LAST_WORDS:]


def listed(run: Path, strike: Redaction) -> str:
    """All files below a folder, with their sizes in bytes."""
    return "".join(f"{size:>15,}  {strike.text(name)}\n" for name, size in sorted(_sizes(run))) or "nothing is there\n"


def read_trees(run: Path) -> list[Any]:
    """What is in the recipes and events of a run, as far as it can be read."""
    trees = [tree for name in RECIPES if (tree := _toml(run / name)) is not None]
    return trees + [line for line in _json_lines(run / "events.jsonl") if line is not None]


def read_written(run: Path) -> set[str]:
    """Lines of the problems and responses that a run has written last: what no error may quote."""
    files = sorted([*run.glob("rollouts/*.parquet"), *run.glob("evaluations/*.parquet")], key=_changed)
    return {line for file in files[-NEWEST:] for line in lines_of(_texts(file))}


def _texts(file: Path) -> list[str]:
    try:
        rows = parquet.read_table(file, columns=["prompt", "text"]).to_pylist()
    except (OSError, ValueError):  # it is half-written, or not there any more
        return []
    return [text for row in rows for text in row.values() if isinstance(text, str)]


def _recipe(file: Path, strike: Redaction) -> str:
    tree = _toml(file)
    return f"{file.name} cannot be read: it is no TOML\n" if tree is None else tomli_w.dumps(strike.tree(tree))


def _toml(file: Path) -> dict[str, Any] | None:
    try:
        return read_toml(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _lines(file: Path, strike: Redaction, last: int | None) -> str:
    lines = _json_lines(file)
    kept = lines[-last:] if last else lines
    texts = ["(no JSON)" if line is None else json.dumps(strike.tree(_without_data(line))) for line in kept]
    return "".join(f"{text}\n" for text in texts)


def _without_data(line: Any) -> Any:
    """What was read of a data set quotes it, and names its problems."""
    if not isinstance(line, dict) or line.get("event") != "task":
        return line
    return line | {name: len(line[name]) for name in ("notes", "too_long") if isinstance(line.get(name), list)}


def _json_lines(file: Path) -> list[Any]:
    """The lines of a file; None for one that is torn or is no JSON."""
    try:
        texts = file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    return [_json(text) for text in texts]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _sizes(folder: Path) -> Iterator[tuple[str, int]]:
    for file in folder.rglob("*"):
        try:
            if file.is_file():
                yield file.relative_to(folder).as_posix(), file.stat().st_size
        except OSError:  # a run at work has removed it
            continue


def _changed(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _or_why(make: Callable[[], str]) -> str:
    """What is made, or why it cannot be: of a run that is broken that is what is asked for."""
    try:
        return make()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
