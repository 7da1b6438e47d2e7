"""Whether a run is at work, and if not, why: from its lock, its heartbeat and what it wrote last."""

import json
import os
import socket
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from groupthink.run.heartbeat import seconds_since
from groupthink.run.lock import LOCK, holder, is_abandoned, listed
from groupthink.run.printable import duration, printable
from groupthink.run.stages import PIPELINE, is_done
from groupthink.web.reading.growing import Growing
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.places import pipeline_of
from groupthink.web.reading.series import METRICS, extent_of, series_of
from groupthink.web.reading.settings import recipe_of

RUNNING, STALLED, CRASHED, STOPPED, FINISHED = "running", "stalled", "crashed", "stopped", "finished"
WAITING = "waiting"
"""Of a stage of a recipe that has several: it was not begun yet."""

UNREADABLE = "unreadable"
"""Of a run whose files cannot be read, so that nobody knows how it stands."""

SILENT = 60.0
"""Seconds without a heartbeat, which comes every 5, after which a run shows no sign of life."""

IDLE, TIMES, IN_SILENCE = 600.0, 20.0, 3600.0
"""Seconds, and as many times the usual step's, without a line written, after which nothing seems to get done; and
seconds where models are loaded or an evaluation is made, of which nothing is written before its end."""

FORGOTTEN = 3600.0
"""Seconds without a heartbeat after which a process that is there is taken for another one, where nobody knows when it
began."""


class Status(NamedTuple):
    """Status("running", "step 12 of 120 was written 3 s ago")"""

    status: str
    why: str  # one sentence


def status_of(place: Path, now: float) -> Status:
    """How things stand with the run, or the recipe of several stages, in `place`; `now`: seconds since 1970."""
    if is_done(place):
        return Status(FINISHED, _finished(place))
    silent = seconds_since(place / LOCK, now)
    if silent is None:
        return Status(STOPPED, _stopped(place))
    process, host = holder(place / LOCK)
    idle = now - last_written(place)
    here = host == socket.gethostname()
    who = f"process {process} on {host}" if process else "its process"
    if is_abandoned(place / LOCK):
        return Status(CRASHED, f"{who} is gone, and did not close the run{_last(place)}; {_again(place)}")
    if silent > SILENT and idle > SILENT:
        since = f"has given no sign of life for {duration(silent)}"
        if here and process and _is_still(process, now - silent, silent):
            return Status(STALLED, f"{who} is there, and {since}{_last(place)}")
        return Status(CRASHED, f"{who} {since}{_last(place)}; {_again(place)}")
    if idle > _patience(place):
        return Status(STALLED, f"{who} is alive, and has written nothing for {duration(idle)}{_last(place)}")
    return Status(RUNNING, f"{_progress(place)}, {duration(max(idle, 0.0))} ago")


def events_of(place: Path) -> list[dict[str, Any]]:
    """What happened to a run, as its events.jsonl has it; what of it cannot be read is left out."""
    return _events(place / "events.jsonl")


def last_written(place: Path) -> float:
    """When a run's newest line was written, seconds since 1970; of a recipe of several stages, that of any stage."""
    files = [place / METRICS, place / "events.jsonl"]
    if (place / PIPELINE).is_file():
        files += [*place.glob(f"stages/*/{METRICS}"), *place.glob("stages/*/events.jsonl")]
    times = [time for time in map(_mtime, files) if time is not None]
    return max(times, default=0.0)


def _patience(place: Path) -> float:
    """Seconds without a line after which a run that is alive counts as stalled."""
    done = extent_of(place).steps
    try:
        recipe = None if (place / PIPELINE).is_file() else recipe_of(place)
    except (LookupError, ValueError, OSError):
        recipe = None
    every = recipe.evaluate.every if recipe else 0
    silent = recipe is None or done in (0, recipe.steps) or (every and done % every == 0)
    return max(IN_SILENCE if silent else IDLE, TIMES * usual_seconds(place))


def usual_seconds(place: Path) -> float:
    """How long a step takes: the median of what the newest ones took, 0 where nobody knows."""
    columns = [column[-50:] for name, column in series_of(place).columns.items() if name.startswith("time/")]
    taken = np.nansum(columns, axis=0) if columns else np.zeros(0)
    return float(np.median(taken)) if len(taken) else 0.0


def _finished(place: Path) -> str:
    try:
        summary = json.loads((place / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return "all of it is done"
    if not isinstance(summary, dict):
        return "all of it is done"
    if early := summary.get("ended_early"):
        return f"it ended early, {printable(str(early))}"
    if isinstance(stages := summary.get("stages"), list | dict) and stages:
        return f"all {len(stages)} stages are done"
    steps = summary.get("steps")
    return "all of it is done" if not steps else f"all {steps} steps are done"


def _stopped(place: Path) -> str:
    """Of a run that was closed before its end. A run that fails says last what it failed of."""
    events = events_of(place)
    last = events[-1] if events else {}
    if last.get("event") == "disagreement" and not last.get("corrected"):
        return f"engine and learner disagreed in step {last.get('step')}: {printable(str(last.get('cause')))}"
    if last.get("event") == "gate failed":
        missed = "; ".join(map(str, last.get("missed") or ()))
        return f"stage {last.get('stage')} has not reached what it must: {printable(missed)}"
    return f"nobody is at work in it{_last(place)}; {_again(place)}"


def _last(place: Path) -> str:
    lines = extent_of(place).steps
    return f", after {lines} step{'s' * (lines != 1)}" if lines else ""


def _progress(place: Path) -> str:
    events, extent = events_of(place), extent_of(place)
    if (place / PIPELINE).is_file():
        begun = [str(event.get("stage")) for event in events if event.get("event") == "stage started"]
        return f"stage {begun[-1]} is at work, and wrote its last line" if begun else "it was begun"
    if not extent.steps:
        return "it was begun, and no step is written yet; its last line was written"
    return f"step {extent.last} was written"


def _again(place: Path) -> str:
    whole = pipeline_of(place) or place
    return f"go on with: groupthink train --resume --run {whole}"


def _is_still(process: int, beat: float, silent: float) -> bool:
    """Whether a process that is there can be the one whose last heartbeat was then: after a reboot, or when all numbers
    were used, its number is another's, which began later."""
    began = _began(process)
    return silent < FORGOTTEN if began is None else began < beat + SILENT


def _began(process: int) -> float | None:
    """When a process began, seconds since 1970; None where the system does not list it."""
    try:
        ticks = int(listed(process)[19])
        booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    except (OSError, ValueError, IndexError, AttributeError):  # AttributeError: only Linux has this clock
        return None
    return booted + ticks / os.sysconf("SC_CLK_TCK")


def _mtime(file: Path) -> float | None:
    try:
        return file.stat().st_mtime
    except OSError:
        return None


def _read_events(file: Path) -> list[dict[str, Any]]:
    _, lines = Growing(file).fresh()
    return [line for line in lines if isinstance(line.get("event"), str)]


_events = Kept(_read_events, most=1024)
