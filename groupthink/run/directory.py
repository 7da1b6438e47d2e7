"""A run: its directory, and the only code that writes there."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet

from groupthink.recipe import Recipe, dump_recipe
from groupthink.records import Batch, Group, Report, Score
from groupthink.run import checkpoints
from groupthink.run.files import is_empty, remove_directory, remove_unfinished, write_directory, write_file, write_text
from groupthink.run.lines import append_line, read_events, read_lines, replace_lines
from groupthink.run.lock import LOCK, Lock
from groupthink.run.metrics import length_metrics, read_metrics, reward_metrics, step_metrics, timed
from groupthink.run.printable import storable
from groupthink.run.rollouts import rollout_table, sampled_table
from groupthink.run.standing import find_standing, refuse_absent


class Evaluation(NamedTuple):
    """What an evaluation left: its figures, and a row for each response."""

    figures: dict[str, Any]
    rows: list[dict[str, Any]]


class Run:
    """One training run. `recipe` is what it does, `path` where; open one with `create` or `resume`.

    No other process may open it to write until it has finished or is closed: `with Run.resume(path) as run: ...`
    """

    def __init__(self, path: Path, recipe: Recipe, newest: Path | None, lock: Lock):
        self.path = path
        self.recipe = recipe
        self._newest = newest
        self._first_step = checkpoints.step_of(newest) if newest else 0
        self.steps_done = self._first_step  # and recorded
        self.lines = read_metrics(path / "metrics.jsonl")  # of the steps so far
        self._lock = lock

    @classmethod
    def create(cls, path: Path | str, recipe: Recipe) -> "Run":
        """Begin a run in a directory that is new or empty.

        Raises FileExistsError where something is there already, and BlockingIOError where another process
        begins a run there at this moment.
        """
        path = Path(path)
        refuse_taken(path)
        path.mkdir(parents=True, exist_ok=True)
        lock = Lock(path)
        try:
            refuse_taken(path)  # another may have been quicker
            write_text(path / "recipe.toml", dump_recipe(recipe))
            run = cls(path, recipe, None, lock)
            run.event("started", steps=recipe.steps)
        except BaseException:
            lock.release()
            raise
        return run

    @classmethod
    def resume(
        cls, path: Path | str, overrides: Sequence[str] = (), settings: Mapping[str, Any] = MappingProxyType({})
    ) -> "Run":
        """Go on with the run in `path`, by its own recipe, from its newest complete checkpoint.

        What lies beyond that checkpoint is removed: it will be made again. Raises what `find_standing` raises,
        and BlockingIOError where another process is at work in it.
        """
        path = Path(path)
        refuse_absent(path)
        lock = Lock(path)
        try:
            standing = find_standing(path, overrides, settings)
            before, recipe, done = standing.before, standing.recipe, standing.done
            if standing.newest is None:  # a first checkpoint that is damaged: it is written anew, from the same model
                checkpoints.drop_beyond(path / "checkpoints", -1)
            _truncate(path, done, closing=done == recipe.steps == before.steps)
            if recipe != before:
                write_text(path / "recipe.toml", dump_recipe(recipe))
            run = cls(path, recipe, standing.newest, lock)
            run.event("resumed", step=done, steps=recipe.steps)
        except BaseException:
            lock.release()
            raise
        return run

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process go on from here. What was half-written is removed."""
        if self._lock.held:
            remove_unfinished(self.path)
            self._lock.release()

    def settle(self, recipe: Recipe) -> None:
        """Write down what was measured at the first start (workers, threads): a resume takes the same."""
        if recipe != self.recipe:
            write_text(self.path / "recipe.toml", dump_recipe(recipe))
            self.recipe = recipe

    def remaining_steps(self) -> range:
        """The steps to do, counted from 0: as many as the newest checkpoint has behind it are done."""
        return range(self._first_step, self.recipe.steps)

    def record(
        self,
        step: int,
        groups: Sequence[Group],
        scores: Sequence[Sequence[Score]],
        advantages_PG: np.ndarray,
        batch: Batch,
        report: Report,
        timings: Mapping[str, float],
        figures: Mapping[str, float] = MappingProxyType({}),
    ) -> dict[str, float]:
        """Write every response of a step, and one line of its figures, which are returned.

        `timings` are seconds by phase, `figures` what else is to stand in the line.
        """
        self._write_rollouts(step, rollout_table(groups, scores, advantages_PG, batch, report))
        return self.record_metrics(step, {**step_metrics(groups, scores, report), **figures}, timings)

    def record_sampled(
        self,
        step: int,
        groups: Sequence[Group],
        scores: Sequence[Sequence[Score]],
        timings: Mapping[str, float],
    ) -> dict[str, float]:
        """The same of a step that nothing is learned from; `num_tokens` are those drawn so far."""
        self._write_rollouts(step, sampled_table(groups, scores))
        before = self.lines[-1].get("num_tokens") or 0.0 if self.lines else 0.0
        drawn = sum(response.written for group in groups for response in group.responses)
        metrics = {**reward_metrics(scores), **length_metrics(groups), "num_tokens": float(before + drawn)}
        return self.record_metrics(step, metrics, timings)

    def rollouts(self, step: int, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """The responses of a recorded step: a row for each, in order. `columns`: those to read (None: all)."""
        return parquet.read_table(self._rollouts(step), columns=list(columns) if columns else None).to_pylist()

    def record_metrics(self, step: int, metrics: Mapping[str, float], timings: Mapping[str, float]) -> dict[str, float]:
        """Write one line of the figures of a step, and return it."""
        line = {"step": step, **metrics, **timed(timings)}
        append_line(self.path / "metrics.jsonl", line)
        self.lines.append(line)
        self.steps_done = step + 1
        return line

    def checkpoint(
        self, done: int, write: Callable[[Path], None], best: int | None = None, passing: bool = False
    ) -> Path:
        """Keep the state after `done` steps, which `write` puts into a directory, and that after the `best` ones.

        `passing`: only until the next is there.
        """
        self._newest = checkpoints.write_checkpoint(self.path / "checkpoints", done, write, best, passing)
        self.event("checkpoint", step=done)
        return self._newest

    def drop_spent_checkpoints(self, best: int | None = None) -> None:
        """Remove those that the newest has made needless, where a process was killed before it could."""
        checkpoints.drop_spent(self.path / "checkpoints", best)

    def latest_checkpoint(self) -> Path | None:
        """The newest complete checkpoint: the one that the run was resumed from (verified then), or wrote since."""
        return self._newest

    def taken_up_at(self) -> int:
        """The steps done when it had last finished, and goes on since: 0 where it has never finished."""
        return max((event["step"] for event in self.events("finished")), default=0)

    def event(self, kind: str, **fields: Any) -> None:
        """Note that something happened, and when (seconds since 1970)."""
        append_line(self.path / "events.jsonl", {"event": kind, "time": time.time(), **fields})

    def events(self, kind: str) -> list[dict[str, Any]]:
        """What happened of one kind, so far."""
        return [event for event in read_events(self.path / "events.jsonl") if event["event"] == kind]

    def write_evaluation(self, name: str, rows: Sequence[Mapping[str, Any]], figures: Mapping[str, Any]) -> None:
        """Keep an evaluation: "before", "after", or "step-000050" after 50 steps."""
        table = pa.Table.from_pylist([{key: _storable(value) for key, value in row.items()} for row in rows])
        place = self._evaluation(name)
        place.parent.mkdir(exist_ok=True)
        _write_table(place.with_suffix(".parquet"), table)
        write_text(place, json.dumps(figures, indent=1))  # last: it says that all is there

    def has_evaluation(self, name: str) -> bool:
        """Whether an evaluation was written, wholly."""
        return self._evaluation(name).exists()

    def read_evaluation(self, name: str) -> Evaluation:
        """An evaluation that was written. Raises FileNotFoundError where it was not."""
        place = self._evaluation(name)
        if not place.exists():
            raise FileNotFoundError(f"the run in {self.path} has no evaluation {name!r}")
        rows = parquet.read_table(place.with_suffix(".parquet")).to_pylist()
        return Evaluation(json.loads(place.read_text(encoding="utf-8")), rows)

    def evaluations(self) -> list[tuple[int, dict[str, Any]]]:
        """The figures of the evaluations after so many steps, in their order; the one before the first is at 0."""
        folder = self.path / "evaluations"
        places = [folder / "before.json", *sorted(folder.glob("step-*.json"))]
        found = [(place, json.loads(place.read_text(encoding="utf-8"))) for place in places if place.exists()]
        return [(0 if place.stem == "before" else checkpoints.step_of(place), figures) for place, figures in found]

    def publish(self, write: Callable[[Path], None], folder: str = "model") -> Path:
        """Have `write` fill the folder of what the run makes, in place of one that is there: a model, or `data`."""
        path = self.path / folder
        if path.exists():
            remove_directory(path)
        write_directory(path, write)
        return path

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Say that all is done, and what came of it; close the run."""
        write_text(self.path / "summary.json", json.dumps(summary, indent=1))
        self.event("finished", step=self.steps_done)
        self.close()

    def _rollouts(self, step: int) -> Path:
        return self.path / "rollouts" / f"step-{step:06d}.parquet"

    def _write_rollouts(self, step: int, table: pa.Table) -> None:
        self._rollouts(step).parent.mkdir(exist_ok=True)
        _write_table(self._rollouts(step), table)

    def _evaluation(self, name: str) -> Path:
        return self.path / "evaluations" / f"{name}.json"


def free_directory(name: str, below: Path = Path("runs")) -> Path:
    """runs/NAME, or NAME-2, NAME-3, ...: the first that is not taken, made at once, so that nobody else takes it."""
    below.mkdir(parents=True, exist_ok=True)
    path, count = below / name, 1
    while True:
        try:
            path.mkdir()
            return path
        except FileExistsError:
            count += 1
            path = below / f"{name}-{count}"


def refuse_taken(path: Path) -> None:
    """Raise FileExistsError where a run cannot be begun in `path`, since something is there."""
    if path.exists() and not (path.is_dir() and is_empty(path, but=LOCK)):
        raise FileExistsError(f"{path} is there already: go on with it by --resume, or name another with --run")


def _truncate(path: Path, done: int, closing: bool) -> None:
    """Remove what lies beyond `done` steps. `closing`: all steps are done, so what closes the run may stay."""
    remove_unfinished(path)
    checkpoints.drop_beyond(path / "checkpoints", done)
    replace_lines(path / "metrics.jsonl", [line for line in read_lines(path / "metrics.jsonl") if line["step"] < done])
    replace_lines(path / "events.jsonl", read_lines(path / "events.jsonl"))
    for file in (path / "rollouts").glob("step-*.parquet"):
        if checkpoints.step_of(file) >= done:
            file.unlink()
    for file in sorted((path / "evaluations").glob("step-*")):  # .json first: it says that all is there
        if checkpoints.step_of(file) > done:
            file.unlink()
    if not closing:
        (path / "summary.json").unlink(missing_ok=True)
        if (path / "model").exists():
            remove_directory(path / "model")
        for file in sorted((path / "evaluations").glob("after.*")):
            file.unlink()


def _storable(value: Any) -> Any:
    return storable(value) if isinstance(value, str) else value


def _write_table(path: Path, table: pa.Table) -> None:
    write_file(path, lambda aside: parquet.write_table(table, aside, compression="zstd"))
