"""`groupthink doctor RUN --bundle`: what others need to help with a run, in one file, and nothing that is private."""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from groupthink.insight.bundle.contents import contents, listed, read_trees, read_written
from groupthink.insight.bundle.machine import machine
from groupthink.insight.bundle.redaction import Redaction, redaction
from groupthink.run.files import write_file
from groupthink.run.stages import STAGES, run_name

SUFFIX = ".groupthink.zip"


@dataclass(frozen=True, slots=True)
class Bundle:
    """Bundle(Path("mine.groupthink.zip"), {"recipe.toml": 1834, "machine.json": 707})"""

    file: Path
    sizes: dict[str, int]  # bytes of each file in it


def write_bundle(run: Path, file: Path | None = None) -> Bundle:
    """Collect what is known of a run, at work, finished, crashed or hardly begun; `file`: NAME.groupthink.zip here.

    Raises FileNotFoundError where there is no such folder, and ValueError where `file` is something else already.
    """
    if not run.is_dir():
        raise FileNotFoundError(f"there is no folder {run}")
    file = file or Path(run_name(run) + SUFFIX)
    if file.exists() and not zipfile.is_zipfile(file):
        raise ValueError(f"{file} is there already, and is no bundle: name another file after --bundle")
    texts = collect(run)

    def write(aside: Path) -> None:
        with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as bundle:
            for name, text in texts.items():
                bundle.writestr(name, text)

    write_file(file, write)
    return Bundle(file, {name: len(text.encode()) for name, text in texts.items()})


def collect(run: Path) -> dict[str, str]:
    """The texts of a bundle by their names, those of each stage in a folder of its own."""
    places = {"": run} | {f"{STAGES}/{place.name}/": place for place in sorted((run / STAGES).glob("*/"))}
    strike = _redaction(list(places.values()))
    texts = {"machine.json": json.dumps(strike.tree(machine(run)), indent=1), "files.txt": listed(run, strike)}
    for folder, place in places.items():
        texts |= {folder + name: text for name, text in contents(place, strike).items()}
    return texts


def _redaction(places: list[Path]) -> Redaction:
    return redaction(
        os.environ,
        [tree for place in places for tree in read_trees(place)],
        {line for place in places for line in read_written(place)},
        {Path.home(), Path.home().resolve()},
    )


def in_words(bundle: Bundle) -> list[str]:
    """For a terminal."""
    width = max(map(len, bundle.sizes))
    return [
        f"{bundle.file} holds:",
        *(f"  {name:{width}}  {size:>9,} bytes" for name, size in bundle.sizes.items()),
        "",
        "Prompts, responses and weights are not in it; keys, tokens and passwords are struck out, as far as they show",
        "by their names and forms. Look through it before you send it to anyone.",
    ]
