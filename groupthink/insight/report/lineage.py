"""Where a stage's model and data came from, and which versions of them they were."""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from groupthink.insight.report.records import Origin
from groupthink.recipe import Recipe, settings_of
from groupthink.run.checkpoints import MANIFEST

DIGITS = 12
DATA = "data/train.parquet"
TEACHER = "distill.teacher"


def origins_of(path: Path, recipe: Recipe, earlier: Sequence[Path]) -> tuple[Origin, ...]:
    """What the stage in `path` took: its model, its problems or demonstrations, and whatever of `earlier` stages its
    recipe names.
    """
    settings = settings_of(recipe)
    named = {"model": [recipe.model], **_data(recipe)}
    if recipe.stage == "distill":
        named[TEACHER] = [settings[TEACHER]]
    named |= {name: texts for name in settings if (texts := [*_of_stages(settings[name], earlier)])}
    return tuple(_origin(path, name, text, earlier) for name, texts in named.items() for text in texts)


def _data(recipe: Recipe) -> dict[str, list[str]]:
    """Where its problems come from, or what is demonstrated to it."""
    return {"sft.tasks": [*recipe.sft.tasks]} if recipe.stage == "sft" else {"task": [recipe.task.title]}


def _of_stages(value: Any, earlier: Sequence[Path]) -> Iterator[str]:
    """The texts of a setting's value that point into the folder of a stage."""
    for text in value if isinstance(value, list | tuple) else [value]:
        if isinstance(text, str) and maker(text, earlier) is not None:
            yield text


def maker(text: str, earlier: Sequence[Path]) -> Path | None:
    """The stage whose folder `text` points into; None where it is of elsewhere."""
    places = (path for path in earlier if re.search(rf"(^|[/\\:]){re.escape(path.name)}($|[/\\:])", text))
    return next(places, None)


def _origin(path: Path, setting: str, text: str, earlier: Sequence[Path]) -> Origin:
    made_by = maker(text, earlier)
    source = text if made_by is None else stage_name(made_by)
    version = None if made_by is None else data_version(made_by) or weights_version(made_by)
    return Origin(setting, source, (weights_version(path, newest=False) or version) if setting == "model" else version)


def stage_name(path: Path) -> str:
    """The name of a stage, by its folder.

    >>> stage_name(Path("run/stages/02-cold"))
    'cold'
    """
    return re.sub(r"^\d+-", "", path.name)


def weights_version(path: Path, newest: bool = True) -> str | None:
    """The first digits of the sha256 of the weights of a run's newest checkpoint, as it was sealed, or of its first.

    None where there is no such checkpoint, or no weights in it. (Checkpoint 0 holds the model that the run began with.)
    """
    sealed = sorted((path / "checkpoints").glob(f"step-*/{MANIFEST}"))
    if not newest:
        sealed = [manifest for manifest in sealed if int(manifest.parent.name.removeprefix("step-")) == 0]
    if not sealed:
        return None
    files = json.loads(sealed[-1].read_text(encoding="utf-8"))["files"]
    found = [file["sha256"] for name, file in sorted(files.items()) if re.fullmatch(r"model.*\.safetensors", name)]
    if len(found) > 1:  # of a model in several files: of what tells them all
        found = [hashlib.sha256("".join(found).encode()).hexdigest()]
    return found[0][:DIGITS] if found else None


def data_version(path: Path) -> str | None:
    """The first digits of the sha256 of the data that a stage wrote; None where it wrote none."""
    if not (path / DATA).is_file():
        return None
    with (path / DATA).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]
