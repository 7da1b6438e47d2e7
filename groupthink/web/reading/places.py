"""Names of runs and the folders that they stand for. No name leads out of the folder that is looked into."""

import os
from collections.abc import Iterator
from pathlib import Path

from groupthink.nearest import nearest
from groupthink.run.stages import PIPELINE, REPLACED, STAGES
from groupthink.web.reading.numbers import cut

RECIPE = "recipe.toml"
DEEPEST, FOLDERS = 4, 5000
"""How many folders below the first a run may lie to be found, and how many are looked into: what is below a run is its
own.
"""

LONGEST = 1024
"""Characters of a name, at most."""

SAID, COMPARED = 200, 500
"""Characters of a name that errors repeat, and names that a mistyped one is compared with."""

LEADS_AWAY = "\0\\:" if os.name == "nt" else "\0"
"""What no part of a name may hold: on Windows such a path may be one of another drive."""


class Places:
    """The runs below `folder`. A run's name is its path from there, with "/"; where the folder is a run itself, its own
    name comes first, as it would from the folder above.

    Raises LookupError where there is no such folder.
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder).resolve()
        if not self.folder.is_dir():
            raise LookupError(f"there is no folder {folder}: name the one that holds your runs, such as runs")
        self._base = self.folder.parent if is_run(self.folder) else self.folder

    def path(self, name: str) -> Path:
        """The run directory called `name`, without symbolic links.

        Raises LookupError where there is none, or where `name` leads elsewhere.
        """
        parts = _parts(name)
        place = self._base.joinpath(*parts)
        try:
            place = place.resolve()
            there = place.is_relative_to(self.folder) and is_run(place)
        except (OSError, RuntimeError):  # a name too long for this system, or links that go round in a circle
            there = False
        if not there:
            raise LookupError(f"there is no run {cut(name, SAID)!r} in {self.folder}{self._likely(name)}")
        return place

    def names(self) -> list[str]:
        """All runs that are there, and the stages of those that have several, in the order of their names."""
        found = [self.folder] if is_run(self.folder) else list(_runs_below(self.folder))
        every = [place for run in found for place in (run, *_stages_of(run))]
        names = (place.relative_to(self._base).as_posix() for place in every)
        return sorted(name for name in names if _is_sayable(name))

    def name(self, place: Path) -> str:
        """What the run in `place` is called here. Raises LookupError for what is not below the folder."""
        try:
            return place.resolve().relative_to(self._base).as_posix()
        except ValueError:
            raise LookupError(f"{place} does not lie in {self.folder}") from None

    def _likely(self, name: str) -> str:
        names = self.names()
        if not names:
            return ": there is none yet"
        return f": did you mean {nearest(name, names[:COMPARED])!r}?" if len(name) <= SAID else ""


def is_run(place: Path) -> bool:
    """Whether a run, or a recipe of several stages, was begun in `place`."""
    try:
        return (place / RECIPE).is_file() or (place / PIPELINE).is_file()
    except OSError:  # it is nobody's to read
        return False


def own_name(place: Path) -> str:
    """What a run is called where nobody says more: as its folder is, a stage with the recipe that it belongs to."""
    whole = pipeline_of(place)
    return place.name if whole is None else f"{whole.name}/{STAGES}/{place.name}"


def pipeline_of(place: Path) -> Path | None:
    """The directory of the recipe of several stages that the run in `place` is one of; None: it stands alone."""
    whole = place.parent.parent
    return whole if place.parent.name == STAGES and (whole / PIPELINE).is_file() else None


def _parts(name: str) -> list[str]:
    parts = name.split("/")
    strange = len(name) > LONGEST or not _is_sayable(name)
    if strange or any(part.startswith(".") or not part for part in parts):
        raise LookupError(f"no run is called {cut(name, SAID)!a}: a name is the path of a run below the runs folder")
    return parts


def _is_sayable(name: str) -> bool:
    """Whether a name can stand in JSON and in an address as it is, and for nothing but what is below."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # bytes of a file name that are no UTF-8
        return False
    return not any(sign in name for sign in LEADS_AWAY)


def _runs_below(folder: Path) -> Iterator[Path]:
    """Those nearest first: in a folder that holds much else, the search ends somewhere."""
    level, looked = [folder], 0
    for _ in range(DEEPEST):
        below = []
        for one in level:
            looked += 1
            if looked > FOLDERS:
                return
            for inner in _folders(one):
                if is_run(inner):
                    yield inner
                else:
                    below.append(inner)
        level = below


def _stages_of(run: Path) -> list[Path]:
    """The stages of a recipe that has several, but for those that were replaced."""
    if not (run / PIPELINE).is_file():
        return []
    return [place for place in _folders(run / STAGES) if REPLACED not in place.name and is_run(place)]


def _folders(folder: Path) -> list[Path]:
    """Those in a folder, in order; not hidden ones, nor links, which may lead anywhere or round in a circle."""
    try:
        with os.scandir(folder) as inside:
            names = [one.name for one in inside if not one.name.startswith(".") and one.is_dir(follow_symlinks=False)]
    except OSError:  # it has just gone, or is nobody's to read
        return []
    return [folder / name for name in sorted(names)]
