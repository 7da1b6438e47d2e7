"""The directory of a pipeline: its stages' run directories, and what is said of all of them."""

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from groupthink.pipeline import Pipeline, dump_pipeline
from groupthink.recipe import dump_recipe, load_recipe
from groupthink.run.directory import Run, refuse_taken
from groupthink.run.files import read_object, remove_directory, remove_unfinished, write_directory, write_text
from groupthink.run.lines import append_line, read_events
from groupthink.run.lock import Lock
from groupthink.run.stages import (
    PIPELINE,
    REPLACED,
    chosen_line,
    is_done,
    is_pipeline,
    overtaken,
    overtaken_line,
    stage_place,
    stage_recipe,
    standing_stages,
    to_choose,
    worked_seconds,
)


class PipelineRun:
    """A pipeline at work in `path`. No other process may open it until it is closed.

    A stage that is done is left alone. Once a stage is not there, not done, or not as the pipeline has it now, those
    that follow were made from something else: they are set aside under another name.
    """

    def __init__(self, path: Path, pipeline: Pipeline, lock: Lock):
        self.path = path
        self.pipeline = pipeline
        self._lock = lock

    @classmethod
    def create(cls, path: Path, pipeline: Pipeline) -> "PipelineRun":
        """Begin a pipeline in a directory that is new or empty.

        Raises FileExistsError where something is there, and BlockingIOError where another process begins there.
        """
        refuse_taken(path)
        path.mkdir(parents=True, exist_ok=True)
        return cls._open(path, pipeline, lambda _: None, begun=False)

    @classmethod
    def resume(cls, path: Path, pipeline: Pipeline, tell: Callable[[str], None] = lambda _: None) -> "PipelineRun":
        """Go on with what was begun in `path`, with the stages as they are now. `tell` hears which are set aside.

        Raises FileNotFoundError where none was, and BlockingIOError where another process is at work in it, or in a
        stage that is to be set aside: then nothing has changed.
        """
        if not is_pipeline(path):
            raise FileNotFoundError(f"{path} holds no recipe of several stages that was begun")
        return cls._open(path, pipeline, tell, begun=True)

    @classmethod
    def _open(cls, path: Path, pipeline: Pipeline, tell: Callable[[str], None], *, begun: bool) -> "PipelineRun":
        lock = Lock(path)
        try:
            run = cls(path, pipeline, lock)
            run._begin(begun, tell)
        except BaseException:
            lock.release()
            raise
        return run

    def _begin(self, begun: bool, tell: Callable[[str], None]) -> None:
        if not begun:
            refuse_taken(self.path)  # another may have been quicker
        remove_unfinished(self.path, below=False)
        standing, stages = standing_stages(self.path, self.pipeline), len(self.pipeline.stages)
        choosing = to_choose(self.path, self.pipeline)
        with ExitStack() as locked:
            behind = overtaken(self.path, self.pipeline)[::-1]  # the last first: what is left is whole
            locks: list[Lock] = []
            for place in behind:  # somebody may be at work in one by itself: all are asked before anything changes
                locks.append(Lock(place))
                locked.callback(locks[-1].release)
            text = dump_pipeline(self.pipeline)
            changed = not begun or (self.path / PIPELINE).read_text(encoding="utf-8") != text
            if changed or standing < stages or not self.done(stages - 1):
                self._reopen()
            if changed:
                write_text(self.path / PIPELINE, text)
            self.event("resumed" if begun else "started", stages=self.pipeline.names)
            for place, lock in zip(behind, locks, strict=True):
                tell(overtaken_line(place, "is set aside, and kept"))
                lock.release()  # at the last moment: with an open file in it, Windows renames no folder
                self._set_aside(place)
        if choosing is not None:  # it is not done any more; and before its recipe says that nothing has changed
            tell(chosen_line(choosing, "is chosen"))
            (choosing / "summary.json").unlink()
        for number in range(standing):
            self._bring_home(number)

    def _reopen(self) -> None:
        """Take back what was said of all stages together."""
        (self.path / "summary.json").unlink(missing_ok=True)
        if (self.path / "model").exists():
            remove_directory(self.path / "model")

    def __enter__(self) -> "PipelineRun":
        return self

    def __exit__(self, *_: object) -> None:
        remove_unfinished(self.path, below=False)
        self._lock.release()

    def place(self, number: int) -> Path:
        """The run directory of a stage, counted from 0."""
        return stage_place(self.path, self.pipeline, number)

    def done(self, number: int) -> bool:
        """Whether a stage has run to its end."""
        return is_done(self.place(number))

    def open_stage(self, number: int) -> Run:
        """Begin a stage, or go on with it where it was cut off."""
        place = self.place(number)
        if (place / "recipe.toml").is_file():
            return Run.resume(place)
        return Run.create(place, stage_recipe(self.path, self.pipeline, number))

    def summary(self, number: int) -> dict[str, Any]:
        """What a stage that is done came to, in its own words."""
        return read_object(self.place(number) / "summary.json")

    def seconds(self, number: int) -> float:
        """How long a stage was worked at."""
        return worked_seconds(read_events(self.place(number) / "events.jsonl"))

    def event(self, kind: str, **fields: Any) -> None:
        """Note that something happened, and when (seconds since 1970)."""
        append_line(self.path / "events.jsonl", {"event": kind, "time": time.time(), **fields})

    def finish(self) -> dict[str, Any]:
        """Give the last stage's model the name of the whole, and say what all stages came to."""
        model = self.pipeline.last_model
        if model is not None and not (self.path / "model").exists():
            source = self.place(self.pipeline.names.index(model.name)) / "model"
            write_directory(self.path / "model", lambda folder: _copy(source, folder))
        stages = [
            {
                "name": stage.name,
                "kind": stage.kind,
                "run": self.place(number).relative_to(self.path).as_posix(),
                "seconds": self.seconds(number),
                "figures": self.summary(number),
            }
            for number, stage in enumerate(self.pipeline.stages)
        ]
        if not (self.path / "summary.json").exists():
            write_text(self.path / "summary.json", json.dumps({"stages": stages}, indent=1))
            self.event("finished")
        return {"stages": stages}

    def _set_aside(self, place: Path) -> None:
        count = 1
        while (aside := place.with_name(f"{place.name}{REPLACED}{count}")).exists():
            count += 1
        os.replace(place, aside)
        self.event("replaced", stage=place.name, by=aside.name)

    def _bring_home(self, number: int) -> None:
        """Have a stage's recipe name the models and data of before by where they lie now: the folder may have moved."""
        file = self.place(number) / "recipe.toml"
        held, wanted = load_recipe(file), stage_recipe(self.path, self.pipeline, number)
        settled = replace(
            wanted,
            rollout=replace(wanted.rollout, processes=held.rollout.processes),
            policy=replace(wanted.policy, processes=held.policy.processes, threads=held.policy.threads),
        )
        if settled != held:
            write_text(file, dump_recipe(settled))


def _copy(source: Path, folder: Path) -> None:
    """All of a folder, those in it (such as a LoRA adapter's) with it, as hard links where the file system has them."""
    shutil.copytree(source, folder, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, to: str) -> None:
    try:
        os.link(source, to)
    except OSError:
        shutil.copyfile(source, to)
