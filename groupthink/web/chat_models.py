"""The models that the chat page can ask: those that a run has kept, and nano. A few are open at a time."""

import asyncio
import atexit
import re
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from groupthink.run.checkpoints import MANIFEST, step_of
from groupthink.run.stages import begun_stages, is_pipeline
from groupthink.web.reading.places import Places

if TYPE_CHECKING:
    from groupthink.web.serve.opened import Opened
    from groupthink.web.serve.running import Running

NANO, TRAINED = "nano", "model"
MOST = 3
"""Models that are open at a time: the two that are compared, and one more."""


class Kept(NamedTuple):
    """A model that can be asked: Kept(id="zero@40", title="step 40", run="zero", step=40)."""

    id: str
    title: str
    run: str | None
    step: int | None


def kept_models(places: Places, run: str | None) -> list[Kept]:
    """The models of a run, of its stages if it has several, and nano. Raises LookupError where there is no such run."""
    found: list[Kept] = []
    if run:
        place = places.path(run)
        stages = begun_stages(place) if is_pipeline(place) else []
        for stage, inner in stages:
            found += _of_run(inner, places.name(inner), f"{stage.name}, ")
        found += _of_run(place, run, "")
    return [*found, Kept(NANO, "nano, the bundled base model", None, None)]


def _of_run(place: Path, run: str, before: str) -> list[Kept]:
    steps = sorted(step_of(sealed.parent) for sealed in place.glob(f"checkpoints/step-*/{MANIFEST}"))
    found = [Kept(f"{run}@{step}", f"{before}step {step}" if step else f"{before}before", run, step) for step in steps]
    if (place / TRAINED / "config.json").is_file():
        found.append(Kept(f"{run}@{TRAINED}", f"{before}trained", run, None))
    return found


def place_of(places: Places, id: str) -> str:
    """Where the model called `id` lies. Raises LookupError where there is none; no id leads out of its run."""
    if id == NANO:
        return NANO
    run, _, what = id.rpartition("@")
    of_step = re.fullmatch(r"[0-9]{1,9}", what)
    inner, holds = (f"checkpoints/step-{int(what):06}", MANIFEST) if of_step else (TRAINED, "config.json")
    if of_step or what == TRAINED:
        run_place = places.path(run)
        place = (run_place / inner).resolve()
        if (place / holds).is_file() and place.is_relative_to(run_place):
            return str(place)
    raise LookupError(f"there is no model {id[:200]!r} here: a later one may have taken its place")


@dataclass(eq=False, slots=True)
class Open:
    """A model that can be asked, and how many questions are being put to it."""

    opened: "Opened"
    running: "Running"
    questions: int = 0

    def leave(self) -> None:
        """One question less."""
        self.questions -= 1


class Models:
    """Opens models, and closes those that were asked longest ago."""

    def __init__(self, places: Places):
        self._places = places
        self._open: OrderedDict[tuple[str, Any], Open] = OrderedDict()
        self._one_at_a_time = asyncio.Lock()
        atexit.register(self.close)  # before Python ends, threads that compute must have ended

    async def get(self, id: str) -> Open:
        """The model called `id`, open for one question more: leave it when that is answered.

        Raises LookupError where there is none, and ValueError where it cannot be opened.
        """
        async with self._one_at_a_time:
            place = place_of(self._places, id)
            key = place, _stamp(place)
            if key not in self._open:
                await self._make_room()
                one = self._open[key] = await asyncio.to_thread(_open, place)
                one.running.start()
            self._open.move_to_end(key)
            self._open[key].questions += 1
            return self._open[key]

    async def _make_room(self) -> None:
        """Close what was asked longest ago, where as many are open as may be. What is being asked stays."""
        idle = [key for key, one in self._open.items() if not one.questions]
        for key in idle[: max(0, len(self._open) + 1 - MOST)]:
            await asyncio.to_thread(self._open.pop(key).running.close)

    def close(self) -> None:
        """End all that draws."""
        for one in self._open.values():
            one.running.close()
        self._open.clear()


def _open(place: str) -> Open:
    from groupthink.model.loading import hide_progress_bars
    from groupthink.web.serve.opened import open_model

    hide_progress_bars()
    try:
        opened = open_model(place)
    except (OSError, RuntimeError, KeyError) as error:  # damaged, or too large
        raise ValueError(f"the model in {place} cannot be opened: {error}") from error
    return Open(opened, opened.run())


def _stamp(place: str) -> Any:
    """Changes when another model takes the place of the one that was opened."""
    if place == NANO:
        return None
    return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in Path(place).glob("*.safetensors")))
