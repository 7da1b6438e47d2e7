"""The models that the chat page can ask: those that a run has kept, and nano. A few are open at a time."""

import asyncio
import atexit
import re
from collections import OrderedDict
from collections.abc import Sequence
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
"""Models that are open at a time: the two that are compared, and one more. They share the memory that is free."""

PATIENCE, OPENING = 600.0, 900.0
"""Seconds in which one of those that are being asked must have answered, and in which a model must be open."""


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


class Models:
    """Opens models, and closes those that were asked longest ago. For one event loop."""

    def __init__(self, places: Places):
        self._places = places
        self._open: OrderedDict[tuple[str, Any], Open] = OrderedDict()
        self._one_at_a_time, self._left = asyncio.Lock(), asyncio.Event()
        atexit.register(self.close)  # before Python ends, threads that compute must have ended

    async def get(self, ids: Sequence[str]) -> list[Open]:
        """The models of one question, `MOST` at most, each to be left when it is answered.

        While too many others are being asked it waits, and later questions wait behind it. All of them are had at once:
        so no two questions wait for each other. Raises LookupError where there is no such model, and ValueError where
        one cannot be opened.
        """
        async with self._one_at_a_time:
            places = [place_of(self._places, id) for id in ids]
            keys = [(place, _stamp(place)) for place in places]
            await self._make_room({*keys})
            for key in keys:
                if key not in self._open:
                    self._open[key] = await self._opened(key[0])
                    self._open[key].running.start()
                self._open.move_to_end(key)
            for key in keys:
                self._open[key].questions += 1
            return [self._open[key] for key in keys]

    async def _opened(self, place: str) -> Open:
        try:
            async with asyncio.timeout(OPENING):
                return await asyncio.to_thread(_open, place)
        except TimeoutError:
            raise RuntimeError(f"the model in {place} could not be opened within {OPENING:.0f} s") from None

    def leave(self, model: Open) -> None:
        """One question less is put to it."""
        model.questions -= 1
        self._left.set()

    async def _make_room(self, wanted: set[tuple[str, Any]]) -> None:
        """Close what was asked longest ago, where more would be open than may be. What is being asked is waited for."""
        end = asyncio.get_running_loop().time() + PATIENCE
        while len(wanted | {key for key, one in self._open.items() if one.questions}) > MOST:
            self._left.clear()
            try:
                async with asyncio.timeout_at(end):
                    await self._left.wait()
            except TimeoutError:
                raise RuntimeError(
                    f"the {MOST} models that may be open were all being asked for {PATIENCE:.0f} s: ask again later"
                ) from None
        idle = [key for key, one in self._open.items() if not one.questions and key not in wanted]
        for key in idle[: max(0, len(wanted | self._open.keys()) - MOST)]:
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
    return Open(opened, opened.run(models=MOST))


def _stamp(place: str) -> Any:
    """Changes when another model takes the place of the one that was opened."""
    if place == NANO:
        return None
    return tuple(sorted((file.name, file.stat().st_mtime_ns) for file in Path(place).glob("*.safetensors")))
