"""The directory of a pipeline: its stages' run directories, and what is said of all of them."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from groupthink.pipeline import Pipeline, Stage, dump_pipeline
from groupthink.pipeline.reading import load_pipeline
from groupthink.pipeline.references import placed, with_places
from groupthink.recipe import Recipe, dump_recipe, load_recipe, settings_of
from groupthink.run.directory import SETTLED, Run, refuse_taken
from groupthink.run.files import remove_directory, remove_unfinished, write_directory, write_text
from groupthink.run.lines import append_line, read_lines
from groupthink.run.lock import Lock

PIPELINE = "pipeline.toml"
FREE = frozenset({"checkpoint_every", "trackers"})
"""What may change of a stage that has begun: nothing that it makes depends on it."""

REPLACED = ".replaced-"


def is_pipeline(path: Path) -> bool:
    """Whether a pipeline was begun in `path`."""
    return (path / PIPELINE).is_file()


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
    def open(cls, path: Path, pipeline: Pipeline) -> "PipelineRun":
        """Begin a pipeline in a directory that is new or empty, or go on with the one that is there.

        Raises FileExistsError where something else is there, and BlockingIOError where another process is at work.
        """
        if not is_pipeline(path):
            refuse_taken(path)
        path.mkdir(parents=True, exist_ok=True)
        lock = Lock(path)
        try:
            run = cls(path, pipeline, lock)
            run._begin()
        except BaseException:
            lock.release()
            raise
        return run

    def _begin(self) -> None:
        begun = is_pipeline(self.path)
        if not begun:
            refuse_taken(self.path)  # another may have been quicker
        remove_unfinished(self.path, below=False)
        text = dump_pipeline(self.pipeline)
        if not begun or (self.path / PIPELINE).read_text(encoding="utf-8") != text:
            write_text(self.path / PIPELINE, text)
        self.event("resumed" if begun else "started", stages=self.pipeline.names)
        standing = standing_stages(self.path, self.pipeline)
        for place in reversed(overtaken(self.path, self.pipeline)):  # the last first: what is left is whole
            self._set_aside(place)
        for number in range(standing):
            self._bring_home(number)
        if not self.done(len(self.pipeline.stages) - 1):
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
        return _done(self.place(number))

    def open_stage(self, number: int) -> Run:
        """Begin a stage, or go on with it where it was cut off."""
        place = self.place(number)
        if (place / "recipe.toml").is_file():
            return Run.resume(place)
        return Run.create(place, stage_recipe(self.path, self.pipeline, number))

    def summary(self, number: int) -> dict[str, Any]:
        """What a stage that is done came to, in its own words."""
        found: dict[str, Any] = json.loads((self.place(number) / "summary.json").read_text(encoding="utf-8"))
        return found

    def seconds(self, number: int) -> float:
        """How long a stage was worked at."""
        return worked_seconds(read_lines(self.place(number) / "events.jsonl"))

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


def stage_place(path: Path, pipeline: Pipeline, number: int) -> Path:
    """The run directory of a stage, counted from 0: PATH/stages/01-zero."""
    return path / "stages" / f"{number + 1:02}-{pipeline.names[number]}"


def stage_recipe(path: Path, pipeline: Pipeline, number: int) -> Recipe:
    """What a stage's run does: its recipe, with the places of what the stages before it make."""

    def made(name: str, what: str) -> str:
        return (stage_place(path, pipeline, pipeline.names.index(name)) / what).as_posix()

    return with_places(
        pipeline.stages[number].recipe, models=lambda name: made(name, "model"), data=lambda name: made(name, "data")
    )


def standing_stages(path: Path, pipeline: Pipeline) -> int:
    """How many stages, from the first on, need not be begun anew: all of them are done, but perhaps the last."""
    for number, stage in enumerate(pipeline.stages):
        place = stage_place(path, pipeline, number)
        if not _is_as_it_was(place, stage, stage_recipe(path, pipeline, number)):
            return number
        if not _done(place):
            return number + 1
    return len(pipeline.stages)


def made_models(path: Path, pipeline: Pipeline) -> dict[str, str]:
    """The models that are there and stand, by the name of the stage that made them."""
    return {
        stage.name: (stage_place(path, pipeline, number) / "model").as_posix()
        for number, stage in enumerate(pipeline.stages[: standing_stages(path, pipeline)])
        if stage.makes == "model" and _done(stage_place(path, pipeline, number))
    }


def overtaken(path: Path, pipeline: Pipeline) -> list[Path]:
    """The run directories that are of no use to the pipeline as it is: those behind the stages that stand."""
    standing = standing_stages(path, pipeline)
    kept = {stage_place(path, pipeline, number).name for number in range(standing)}
    begun = sorted(file.parent for file in (path / "stages").glob("*/recipe.toml"))
    return [place for place in begun if place.name not in kept and REPLACED not in place.name]


def _done(place: Path) -> bool:
    return (place / "summary.json").is_file()


def _is_as_it_was(place: Path, stage: Stage, wanted: Recipe) -> bool:
    """Whether a stage was begun in `place`, and by what it is asked to do now."""
    if not (place / "recipe.toml").is_file():
        return False
    before, after = settings_of(load_recipe(place / "recipe.toml")), settings_of(wanted)
    moving = placed(stage.recipe)
    return all(
        before.get(name) == after.get(name)
        or name in FREE
        or (name in SETTLED and after.get(name) == 0)
        or (name in moving and _in_pipeline(before.get(name)) == _in_pipeline(after.get(name)))
        for name in {**before, **after}
    )


def _in_pipeline(place: Any) -> tuple[str, ...]:
    """Where something lies in its pipeline, wherever that lies: ("stages", "01-zero", "model")."""
    return Path(str(place)).parts[-3:]


def worked_seconds(events: list[dict[str, Any]]) -> float:
    """How long a run was worked at, by its events: from each start or resumption to the last sign of life after it."""
    total, begun, last = 0.0, None, 0.0
    for event in events:
        if event["event"] in ("started", "resumed"):
            total += 0.0 if begun is None else last - begun
            begun = event["time"]
        last = event["time"]
    return total if begun is None else total + last - begun


def runs_in(path: Path) -> list[Path]:
    """The run directory `path`, or those of the stages that were begun of the pipeline in it."""
    if not is_pipeline(path):
        return [path]
    pipeline = load_pipeline(path / PIPELINE)
    places = [stage_place(path, pipeline, number) for number in range(len(pipeline.stages))]
    return [place for place in places if (place / "recipe.toml").is_file()]


def model_run(path: Path) -> Path | None:
    """The run that the model of `path` comes from: the run in it, or that of the last stage of the pipeline in it."""
    if (path / "recipe.toml").is_file():
        return path
    if not is_pipeline(path):
        return None
    pipeline = load_pipeline(path / PIPELINE)
    model = pipeline.last_model
    return None if model is None else stage_place(path, pipeline, pipeline.names.index(model.name))


def _copy(source: Path, folder: Path) -> None:
    """All files of a folder, as hard links where the file system has them."""
    for file in sorted(source.iterdir()):
        try:
            os.link(file, folder / file.name)
        except OSError:
            shutil.copyfile(file, folder / file.name)
