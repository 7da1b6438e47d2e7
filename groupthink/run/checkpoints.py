"""Checkpoints: each is complete or absent, and says of every file what it must hold."""

import errno
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from groupthink.run.files import remove_directory, write_directory

MANIFEST = "complete.json"
KEEP = 2
"""How many of the newest checkpoints stay. Checkpoint 0 stays as well: it is the reference policy."""

_log = logging.getLogger(__name__)


def write_checkpoint(
    directory: Path, step: int, write: Callable[[Path], None], best: int | None = None, passing: bool = False
) -> Path:
    """Have `write` fill the checkpoint of `step` and seal it; then drop those that are no longer kept.

    That of the step `best` is kept, too. One that is `passing` serves until the next is there. Raises OSError where the
    disk is, or gets, too full for it; the checkpoints before it stay as they are.
    """
    _check_space(directory)
    path = directory / _name(step)
    if path.exists():
        remove_directory(path)

    def write_and_seal(aside: Path) -> None:
        write(aside)
        _seal(aside, step, passing)

    try:
        write_directory(path, write_and_seal)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise _full(directory, "the disk is full") from error
    drop_spent(directory, best)
    return path


def drop_spent(directory: Path, best: int | None = None) -> None:
    """Remove those that are kept no longer, now that the newest is there."""
    steps = _steps(directory)
    others = steps[1:-1]
    passed = [old for old in others if _is_passing(directory / _name(old))]
    lasting = [old for old in others if old not in passed]
    more = KEEP if others and _is_passing(directory / _name(steps[-1])) else KEEP - 1
    for old in passed + lasting[:-more]:
        if old != best:
            remove_directory(directory / _name(old))


def latest_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint whose files are all as they were written; None where there is none.

    A damaged one is named in a warning, and the one before it is taken.
    """
    for step in reversed(_steps(directory)):
        path = directory / _name(step)
        damage = find_damage(path)
        if damage is None:
            return path
        _log.warning("checkpoint %s is damaged (%s): it is not used, the one before it is", path, damage)
    return None


def has_learned(directory: Path) -> bool:
    """Whether there is a checkpoint, damaged or not, of more than what a run began with."""
    return any(_steps(directory)[-1:])


def find_damage(path: Path) -> str | None:
    """What differs from the manifest of a checkpoint; None: nothing."""
    try:
        files = json.loads((path / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return f"{MANIFEST} cannot be read"
    for name, sealed in files.items():
        file = path / name
        if not file.is_file():
            return f"{name} is missing"
        if file.stat().st_size != sealed["size"]:
            return f"{name} has {file.stat().st_size} bytes in place of {sealed['size']}"
        if sha256(file) != sealed["sha256"]:
            return f"the sha256 of {name} differs"
    return None


def drop_beyond(directory: Path, step: int) -> None:
    """Remove every checkpoint after `step`."""
    for later in _steps(directory):
        if later > step:
            remove_directory(directory / _name(later))


def step_of(path: Path) -> int:
    """How many steps were done when a checkpoint, or another file named by its step, was written."""
    return int(path.stem.removeprefix("step-"))


def _name(step: int) -> str:
    return f"step-{step:06d}"


def _steps(directory: Path) -> list[int]:
    return sorted(map(step_of, directory.glob("step-*")))


def _is_passing(path: Path) -> bool:
    try:
        return bool(json.loads((path / MANIFEST).read_text(encoding="utf-8")).get("passing"))
    except (OSError, ValueError, AttributeError):
        return False


def _seal(path: Path, step: int, passing: bool) -> None:
    files = {
        file.relative_to(path).as_posix(): {"size": file.stat().st_size, "sha256": sha256(file)}
        for file in _files(path)
    }
    sealed = {"step": step, **({"passing": True} if passing else {}), "files": files}
    (path / MANIFEST).write_text(json.dumps(sealed, indent=1), encoding="utf-8")


def _files(path: Path) -> Iterator[Path]:
    return (file for file in sorted(path.rglob("*")) if file.is_file())


def sha256(file: Path) -> str:
    """Of what a file holds, in hexadecimal digits."""
    with file.open("rb") as bytes_of_it:
        return hashlib.file_digest(bytes_of_it, "sha256").hexdigest()


def _check_space(directory: Path) -> None:
    """A checkpoint will be about as large as the last one was: refuse to begin what cannot end."""
    directory.mkdir(parents=True, exist_ok=True)
    steps = _steps(directory)
    if not steps:
        return
    needed = sum(file.stat().st_size for file in _files(directory / _name(steps[-1])))
    free = shutil.disk_usage(directory).free
    if free < needed * 1.1:
        raise _full(directory, f"a checkpoint takes {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free")


def _full(directory: Path, why: str) -> OSError:
    return OSError(
        errno.ENOSPC,
        f"no room for a checkpoint in {directory}: {why}. The last one is intact: make room, then go on with --resume",
    )
