"""A run's figures on the boards of other programs, as they come. The run directory has them all; a board may fail."""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from groupthink.recipe import Recipe, settings_of
from groupthink.run.directory import Run
from groupthink.run.terminal import View

PROJECT = "groupthink"
"""What runs stand under, where the environment names no other (WANDB_PROJECT, TRACKIO_PROJECT)."""

Figures = Mapping[str, float]


class Tracker(Protocol):
    """A board."""

    def log(self, step: int, figures: Figures) -> None:
        """Figures after so many steps."""
        ...

    def close(self) -> None:
        """Send what is left."""
        ...


class TensorBoard:
    """Files for TensorBoard below the run directory. What lies beyond where a run goes on is taken as never written."""

    def __init__(self, run: Run):
        from torch.utils.tensorboard import SummaryWriter

        done = run.remaining_steps().start
        purged = done + 1 if run.events("resumed") else None
        self._writer = SummaryWriter(str(folder_of(run) / "tensorboard"), purge_step=purged)

    def log(self, step: int, figures: Figures) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases. Whether it is online is that program's own setting (WANDB_MODE)."""

    def __init__(self, run: Run):
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.path.name,
            config=settings_of(run.recipe),
            dir=str(folder_of(run)),
            id=identity(run),
            resume="allow",
        )

    def log(self, step: int, figures: Figures) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


class Trackio:
    """A run of trackio, on this machine or wherever its own settings say."""

    def __init__(self, run: Run):
        import trackio

        project, name = os.environ.get("TRACKIO_PROJECT", PROJECT), f"{run.path.name}-{identity(run)[:6]}"
        self._run = trackio.init(project=project, name=name, config=settings_of(run.recipe), resume="allow")

    def log(self, step: int, figures: Figures) -> None:
        self._run.log(dict(figures), step=step)

    def close(self) -> None:
        self._run.finish()


OPENERS: dict[str, Callable[[Run], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "trackio": Trackio,
}


def require_trackers(recipe: Recipe) -> None:
    """Raise ValueError for a tracker whose package is not installed."""
    for name in recipe.trackers:
        if find_spec(name) is None:
            raise ValueError(f"trackers: {name} is not installed: pip install 'groupthink[{name}]', or leave it out")


def folder_of(run: Run) -> Path:
    """Where trackers may keep what is theirs."""
    folder = run.path / "trackers"
    folder.mkdir(exist_ok=True)
    return folder


def identity(run: Run) -> str:
    """The same for a run and what resumes it, and another for every other run."""
    first = (run.path / "events.jsonl").read_text(encoding="utf-8").partition("\n")[0]
    return hashlib.sha256(f"{run.path.absolute()} {first}".encode()).hexdigest()[:16]


class TrackingView:
    """A view that tells trackers, too. One that raises is said to have failed, and told nothing more."""

    def __init__(self, view: View, run: Run):
        self._view, self._run = view, run
        self._trackers: dict[str, Tracker] = {}
        for name in run.recipe.trackers:
            self._trying(name, partial(self._open, name, run))

    def started(self, recipe: Recipe, steps: range) -> None:
        self._view.started(recipe, steps)

    def writing(self, text: str) -> None:
        self._view.writing(text)

    def stepped(self, metrics: Mapping[str, float]) -> None:
        self._view.stepped(metrics)
        self._log(int(metrics["step"]) + 1, {name: value for name, value in metrics.items() if name != "step"})

    def evaluated(self, name: str, figures: Mapping[str, Any]) -> None:
        self._view.evaluated(name, figures)
        step = {"before": 0, "after": self._run.steps_done}.get(name)
        told = {key: value for key, value in figures.items() if isinstance(value, int | float)}
        told = {f"evaluate/{key.replace('@', '_at_')}": value for key, value in told.items()}
        self._log(int(name.removeprefix("step-")) if step is None else step, told)

    def note(self, text: str) -> None:
        self._view.note(text)

    def closed(self) -> None:
        self._view.closed()

    def close_trackers(self) -> None:
        """Have them send what is left."""
        for name, tracker in list(self._trackers.items()):
            self._trying(name, tracker.close)

    def _open(self, name: str, run: Run) -> None:
        self._trackers[name] = OPENERS[name](run)

    def _log(self, step: int, figures: Figures) -> None:
        for name, tracker in list(self._trackers.items()):
            self._trying(name, partial(tracker.log, step, figures))

    def _trying(self, name: str, what: Callable[[], object]) -> None:
        try:
            what()
        except Exception as error:  # whatever it is, it is not the run's
            self._trackers.pop(name, None)
            self._view.note(f"{name} failed ({type(error).__name__}: {error}): the run goes on without it")


@contextmanager
def tracked(run: Run, view: View) -> Iterator[View]:
    """`view`, and whatever trackers the run's recipe names."""
    if not run.recipe.trackers:
        yield view
        return
    tracking = TrackingView(view, run)
    try:
        yield tracking
    finally:
        tracking.close_trackers()
