"""From a run's directory, or that of a recipe with several stages, to its report. It may be at work meanwhile."""

import json
import re
import shlex
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from groupthink.insight.paired import Row, difference, rates
from groupthink.insight.report.course import course_of
from groupthink.insight.report.figures import figures_of, traits_of
from groupthink.insight.report.lineage import data_version, maker, origins_of, stage_name, weights_version
from groupthink.insight.report.records import BASE, Difference, Evaluated, Kept, Report, Stage
from groupthink.insight.report.spent import seconds, tokens
from groupthink.recipe import BY_REWARDS, Recipe, load_recipe
from groupthink.run.lines import read_lines
from groupthink.run.metrics import read_metrics

PIPELINE, STAGES = "pipeline.toml", "stages"
MEASURED = "evaluate"
"""The kind of a stage that makes nothing: its recipe says which model it asked, and how."""


def read_report(run: Path) -> Report:
    """What came of a run so far. Raises FileNotFoundError where there is none."""
    paths = stage_paths(run)
    k = min((samples for path in paths if (samples := _fewest_samples(path))), default=0)
    stages: list[Stage] = []
    for place, path in enumerate(paths):
        stage = _stage(run, path, paths[:place], k)
        base = _base(stage, paths[:place], k)
        if base and base.version not in {one.version for one in stages if one.kind == BASE}:
            stages.append(base)
        stages.append(stage)
    return Report(run, k, tuple(stages), tuple(_differences(stages)))


def stage_paths(run: Path) -> list[Path]:
    """The folders of the stages that have begun, in their order; a plain run is its own only stage."""
    if (run / PIPELINE).is_file():
        places = [path for path in sorted((run / STAGES).glob("*")) if not re.search(r"\.replaced-\d+$", path.name)]
        return [path for path in places if (path / "recipe.toml").is_file()]
    if not (run / "recipe.toml").is_file():
        raise FileNotFoundError(f"there is no run in {run}: name the folder that holds its recipe.toml or {PIPELINE}")
    return [run]


def _stage(run: Path, path: Path, earlier: Sequence[Path], k: int) -> Stage:
    recipe, lines = load_recipe(path / "recipe.toml"), read_metrics(path / "metrics.jsonl")
    summary = _json(path / "summary.json")
    kept = _kept(summary)
    return Stage(
        name=stage_name(path) if path != run else path.resolve().name,
        kind=recipe.stage,
        path=path,
        done=len(lines),
        steps=0 if recipe.stage == MEASURED else recipe.steps,
        finished=summary is not None,
        evaluated=_evaluated(path, recipe, _newest(path), k),
        tokens=tokens(lines) if kept is None else kept.tokens,
        seconds=seconds(read_lines(path / "events.jsonl"), lines),
        origins=origins_of(path, recipe, earlier),
        version=data_version(path) or weights_version(path),
        kept=kept,
        course=course_of(path, lines) if recipe.stage in BY_REWARDS else None,
    )


def _base(stage: Stage, earlier: Sequence[Path], k: int) -> Stage | None:
    """A row for the model that a stage begins with, where no earlier stage made it and it was evaluated."""
    recipe = load_recipe(stage.path / "recipe.toml")
    if maker(recipe.model, earlier):
        return None
    evaluated = _evaluated(stage.path, recipe, "before", k)
    if evaluated is None:
        return None
    name = BASE if not earlier else f"{BASE} of {stage.name}"
    version = weights_version(stage.path, newest=False)
    return Stage(name, BASE, stage.path, 0, 0, True, evaluated, 0, 0.0, (), version)


def _newest(path: Path) -> str:
    """The name of the evaluation that says where a stage stands: at its end, or else the last one on the way."""
    during = sorted((path / "evaluations").glob("step-*.json"))
    return "after" if (path / "evaluations" / "after.json").exists() or not during else during[-1].stem


def _evaluated(path: Path, recipe: Recipe, name: str, k: int) -> Evaluated | None:
    found = _json(path / "evaluations" / f"{name}.json")
    if found is None:
        return None
    rows: list[Row] = parquet.read_table(path / "evaluations" / f"{name}.parquet").to_pylist()
    return Evaluated(
        name=name,
        command=_command(path, recipe, name, found["samples"]),
        problems=found["problems"],
        samples=found["samples"],
        figures=figures_of(rows, k),
        traits=traits_of(rows),
        right=rates(rows, "sampled"),
        unjudged=found["unjudged"],
    )


def _command(path: Path, recipe: Recipe, name: str, samples: int) -> str | None:
    """What gives the figures of an evaluation again; None where the model that was asked is not there."""
    if recipe.stage == MEASURED:
        return f"groupthink train {shlex.quote(str(path / 'recipe.toml'))}"
    checkpoint = path / "checkpoints" / ("step-000000" if name == "before" else name)
    model, weights = (path, path / "model") if name == "after" else (checkpoint, checkpoint)
    if not weights.exists():
        return None
    return f"groupthink eval {shlex.quote(str(model))} --problems {recipe.evaluate.problems} --samples {samples}"


def _fewest_samples(path: Path) -> int | None:
    """The fewest samples to a problem of the evaluations of a stage that are reported."""
    found = [_json(path / "evaluations" / f"{name}.json") for name in ("before", _newest(path))]
    return min((one["samples"] for one in found if one is not None), default=None)


def _kept(summary: dict[str, Any] | None) -> Kept | None:
    if summary is None or "dropped" not in summary:
        return None
    return Kept(summary["sampled"], summary["kept"], summary["dropped"], summary["tokens"])


def _differences(stages: Sequence[Stage]) -> list[Difference]:
    evaluated = [(stage.name, stage.evaluated.right) for stage in stages if stage.evaluated]
    found = []
    for (earlier, before), (later, right) in combinations(evaluated, 2):
        if gain := difference(right, before):
            found.append(Difference(later, earlier, gain, len(right.keys() & before.keys())))
    return found


def _json(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
