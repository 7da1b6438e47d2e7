"""Files that are whole or not there, whatever kills the process that writes them."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ASIDE = ".writing-"
"""Begins the names of files and directories that are not whole yet; a reader never looks at them."""


def write_file(path: Path, write: Callable[[Path], None]) -> None:
    """`write` makes the file aside; it takes its name only when all of it is on the disk."""
    aside = path.with_name(ASIDE + path.name)
    with _errors_of_the_disk():
        write(aside)
    sync(aside)
    os.replace(aside, path)
    sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    write_file(path, lambda aside: _put(aside, text))


def _put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object that a file holds. Raises OSError where it cannot be read, and ValueError where it holds none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON ({error}): was it damaged, or edited by hand?") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object: was it damaged, or edited by hand?")
    return found


def write_directory(path: Path, write: Callable[[Path], None]) -> None:
    """`write` fills a directory aside; it takes its name only when all of it is on the disk.

    `path` must not be there. Where `write` fails, nothing is left behind.
    """
    aside = path.with_name(ASIDE + path.name)
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        with _errors_of_the_disk():
            write(aside)
        for inner in [*aside.rglob("*"), aside]:
            sync(inner)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    os.replace(aside, path)
    sync(path.parent)


@contextmanager
def _errors_of_the_disk() -> Iterator[None]:
    """What is written in another language, as safetensors is, tells in words alone what Python calls an OSError."""
    try:
        yield
    except Exception as error:
        said = None if isinstance(error, OSError) else re.search(r"\(os error (\d+)\)", str(error))
        if said is None:
            raise
        raise OSError(number := int(said[1]), os.strerror(number)) from error


def remove_directory(path: Path) -> None:
    """Take the name away first, so that a half-removed directory is never read as a damaged one."""
    aside = path.with_name(ASIDE + path.name)
    shutil.rmtree(aside, ignore_errors=True)
    os.replace(path, aside)
    shutil.rmtree(aside)


def is_empty(directory: Path, but: str) -> bool:
    """Whether nothing, or nothing whole, is in a directory `but` the file of that name."""
    return all(path.name.startswith(ASIDE) or path.name == but for path in directory.iterdir())


def remove_unfinished(directory: Path, below: bool = True) -> None:
    """Remove what a killed process left half-written in `directory`, or anywhere `below` it, too."""
    for left in sorted((directory.rglob if below else directory.glob)(ASIDE + "*")):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink(missing_ok=True)  # it may have gone with its directory


def sync(path: Path) -> None:
    """Wait until a file, or a directory's list of names, is on the disk."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows opens no directories
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
