"""From a run's directory, or that of a recipe with several stages, to its report. It may be at work meanwhile."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as parquet

from groupthink.insight.paired import Row, rates
from groupthink.insight.report.compared import differences
from groupthink.insight.report.course import course_of
from groupthink.insight.report.figures import figures_of, traits_of
from groupthink.insight.report.imitated import Imitating, begins_anew, imitated, runs_behind
from groupthink.insight.report.lineage import Makers, maker, origins_of
from groupthink.insight.report.records import BASE, Evaluated, Kept, Report, Stage
from groupthink.insight.report.whole import whole_of
from groupthink.pipeline.references import references, with_places
from groupthink.recipe import BY_SAMPLES, Recipe, load_recipe
from groupthink.reward.sandbox import BUBBLEWRAP
from groupthink.run.evaluations import require_evaluation
from groupthink.run.files import read_object
from groupthink.run.lines import Line, read_events
from groupthink.run.metrics import read_metrics
from groupthink.run.stages import PIPELINE, begun_stages, is_pipeline, recorded, worked_seconds
from groupthink.run.versions import data_version, weights_version

TORCH = "torch"
"""The engine that `groupthink eval` draws with."""

MEASURED = "evaluate"
"""The kind of a stage that makes nothing: its recipe says which model it asked, and how."""


def read_report(run: Path) -> Report:
    """What came of a run so far. Raises FileNotFoundError where there is none."""
    rows = _rows(_begun(run))
    k = min((samples for row in rows if (samples := _samples(row))), default=0)
    makers: dict[str, Path] = {}
    took, stages = recorded(run), list[Stage]()
    for number, row in enumerate(rows):
        found = _evaluated(row, k, tuple(_behind(rows, number)))
        stages.append(_base(row, found) if row.base else _stage(row, makers, took.get(row.name, {}), found))
        makers |= {} if row.base else {row.name: row.path}
    whole = whole_of(run) if is_pipeline(run) else None
    return Report(run, k, tuple(stages), tuple(differences(stages, [row.begun_with for row in rows])), whole)


class _Row(NamedTuple):
    """A row of the report, before its figures are read."""

    name: str
    path: Path  # of the stage
    recipe: Recipe
    base: bool  # of the model that the stage began with
    evaluation: str  # the name of the one that the row shows, where it is there
    begun_with: int | None  # the row of what made the model that it began with


def _rows(begun: list[tuple[str, Path, Recipe]]) -> list[_Row]:
    """Each stage, and before it the model that it began with where that was evaluated and no stage made it."""
    rows: list[_Row] = []
    made: dict[str, int] = {}  # the row of what made a model, by a stage's name, by a model's name
    makers: dict[str, Path] = {}
    for name, path, recipe in begun:
        before = f"stage:{source}" if (source := maker(recipe.model, makers)) else _of_elsewhere(path, recipe)
        if not source and before not in made and (path / "evaluations" / "before.json").exists():
            made[before] = len(rows)
            rows.append(_Row(f"{BASE} of {name}" if makers else BASE, path, recipe, True, "before", None))
        begun_with = made.get(before)
        made[f"stage:{name}"] = len(rows)
        rows.append(_Row(name, path, recipe, False, _newest(path), begun_with))
        makers[name] = path
    return rows


def _begun(run: Path) -> list[tuple[str, Path, Recipe]]:
    """The stages that have begun: names, run directories, and recipes, which say `stage:NAME` of what others made."""
    if is_pipeline(run):
        return [(stage.name, place, stage.recipe) for stage, place in begun_stages(run)]
    if not (run / "recipe.toml").is_file():
        raise FileNotFoundError(f"there is no run in {run}: name the folder that holds its recipe.toml or {PIPELINE}")
    return [(run.resolve().name, run, load_recipe(run / "recipe.toml"))]


def _of_elsewhere(path: Path, recipe: Recipe) -> str:
    """What tells a model that no stage made from others: weights that are drawn anew are a stage's own."""
    own = recipe.stage == "sft" and recipe.sft.from_scratch
    return f"{path}" if own else recipe.model


def _behind(rows: list[_Row], number: int) -> Iterator[Imitating]:
    """Whatever has shaped the weights that a row shows: what made them, what made those that it began with, ..."""
    row = rows[number]
    if not row.base:
        lies = {one.name: one.path for one in rows if not one.base}
        yield row.name, _placed(row.recipe, lies)
    if begins_anew(row.recipe):
        return
    yield from runs_behind(row.recipe.model) if row.begun_with is None else _behind(rows, row.begun_with)


def _placed(recipe: Recipe, lies: Makers) -> Recipe:
    """With the places of what stages made; of one that is read by itself, its recipe has them already."""
    if not all(name in lies for _, name in references(recipe)):
        return recipe
    return with_places(
        recipe,
        models=lambda name: (lies[name] / "model").as_posix(),
        data=lambda name: (lies[name] / "data").as_posix(),
    )


def _stage(row: _Row, makers: Makers, took: Mapping[str, str], evaluated: Evaluated | None) -> Stage:
    path, recipe = row.path, row.recipe
    lines, summary = read_metrics(path / "metrics.jsonl"), _json(path / "summary.json")
    kept = _kept(summary)
    return Stage(
        name=row.name,
        kind=recipe.stage,
        path=path,
        done=len(lines),
        steps=0 if recipe.stage == MEASURED else recipe.steps,
        finished=summary is not None,
        evaluated=evaluated,
        tokens=_tokens(lines) if kept is None else kept.tokens,
        seconds=worked_seconds(read_events(path / "events.jsonl"), lines),
        origins=origins_of(path, recipe, makers, took),
        version=data_version(path / "data") or weights_version(path),
        kept=kept,
        course=course_of(lines) if recipe.stage in BY_SAMPLES else None,
    )


def _base(row: _Row, evaluated: Evaluated | None) -> Stage:
    version = weights_version(row.path, newest=False)
    return Stage(row.name, BASE, row.path, 0, 0, True, evaluated, 0, 0.0, (), version)


def _tokens(lines: list[Line]) -> int:
    """Tokens that were learned from or drawn: each line of metrics.jsonl has those so far."""
    return int(lines[-1].get("num_tokens") or 0) if lines else 0


def _newest(path: Path) -> str:
    """The name of the evaluation that says where a stage stands: at its end, or else the last one on the way."""
    during = sorted((path / "evaluations").glob("step-*.json"))
    return "after" if (path / "evaluations" / "after.json").exists() or not during else during[-1].stem


def _evaluated(row: _Row, k: int, behind: Sequence[Imitating]) -> Evaluated | None:
    path, name = row.path, row.evaluation
    found = _json(path / "evaluations" / f"{name}.json")
    if found is None:
        return None
    file = path / "evaluations" / f"{name}.parquet"
    try:
        table = parquet.read_table(file)
        require_evaluation(table, file)
        rows: list[Row] = table.to_pylist()
        return Evaluated(
            name=name,
            command=_command(path, row.recipe, name, found["samples"]),
            otherwise=_otherwise(row.recipe),
            problems=found["problems"],
            samples=found["samples"],
            figures=figures_of(rows, k),
            traits=traits_of(rows),
            right=rates(rows, "sampled"),
            unjudged=dict(found["unjudged"]),
            imitated=imitated(rows, behind),
        )
    except (KeyError, TypeError, pa.ArrowException) as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{file}, or the .json beside it, is no evaluation that this version knows ({said})") from None


def _command(path: Path, recipe: Recipe, name: str, samples: int) -> str | None:
    """What gives the figures of an evaluation again; None where the model that was asked is not there."""
    if recipe.stage == MEASURED:
        return f"groupthink train {shlex.quote(str(path / 'recipe.toml'))}"
    checkpoint = path / "checkpoints" / ("step-000000" if name == "before" else name)
    model, weights = (path, path / "model") if name == "after" else (checkpoint, checkpoint)
    if not weights.exists():
        return None
    trust = " --trust-remote-code" if recipe.trust_remote_code else ""
    asked = f"--problems {recipe.evaluate.problems} --samples {samples}{trust}"
    return f"groupthink eval {shlex.quote(str(model))} {asked}"


def _otherwise(recipe: Recipe) -> tuple[str, ...]:
    """What `groupthink eval` does not do as the run did: it takes what every machine has, and trusts no run."""
    if recipe.stage == MEASURED:
        return ()
    engine = f"drawn by torch, not {recipe.rollout.engine}" if recipe.rollout.engine != TORCH else ""
    sandbox = f"programs in {BUBBLEWRAP}, not {recipe.code.sandbox}" if recipe.code.sandbox != BUBBLEWRAP else ""
    return tuple(filter(None, (engine, sandbox)))


def _samples(row: _Row) -> int | None:
    """How many there are to a problem of the evaluation that a row shows."""
    found = _json(row.path / "evaluations" / f"{row.evaluation}.json")
    if found is not None and (type(found.get("samples")) is not int or found["samples"] < 1):
        raise ValueError(f"{row.path}: the evaluation {row.evaluation} does not say how many samples a problem has")
    return None if found is None else int(found["samples"])


def _kept(summary: dict[str, Any] | None) -> Kept | None:
    if summary is None or "dropped" not in summary:
        return None
    missing = [name for name in ("sampled", "kept", "tokens") if type(summary.get(name)) is not int]
    if missing or not isinstance(summary["dropped"], dict):
        raise ValueError("a summary.json tells of dropped responses, and not how many were sampled and kept")
    return Kept(summary["sampled"], summary["kept"], summary["dropped"], summary["tokens"])


def _json(path: Path) -> dict[str, Any] | None:
    return read_object(path) if path.exists() else None
