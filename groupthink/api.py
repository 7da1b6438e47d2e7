"""groupthink from Python: what the command line does, with functions and tasks in place of their names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groupthink import stage
from groupthink.pipeline import made_by
from groupthink.pipeline.reading import has_stages, load_pipeline
from groupthink.recipe import load_recipe, recipe_name
from groupthink.run.directory import Run, free_directory
from groupthink.run.pipeline import PipelineRun
from groupthink.run.stages import PIPELINE, is_pipeline
from groupthink.run.terminal import View, open_view
from groupthink.stage.evaluate import evaluate_model
from groupthink.stage.pipeline import require_stages, run_stages
from groupthink.stage.ready import require_ready
from groupthink.user_code import give

Reward = str | Callable[..., Any]
"""A function, or its name: `module:function` or `file.py:function`."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What came of a run. Trained(run=Path("runs/nano"), model=Path("runs/nano/model"), figures={"after": {...}})"""

    run: Path
    model: Path | None  # a Hugging Face folder; None of stages that make none (sample, evaluate)
    figures: dict[str, Any]  # as `groupthink train --json` prints them


def train(
    recipe: str | Path | None = None,
    *,
    run: str | Path | None = None,
    resume: bool = False,
    task: Any = None,
    rewards: Reward | Sequence[Reward] | Mapping[Reward, float] = (),
    words: Sequence[str] = (),
    view: View | None = None,
    **settings: Any,
) -> Trained:
    """Train by a recipe (None: the default one), in the words of a recipe:

        groupthink.train(model="nano", steps=40, rollout={"group_size": 4}, rewards=[no_shouting])

    `task`: a name (`quadratics`, `gym:countdown`, `data:problems.jsonl`), a function or a class of one's own (see
    `groupthink.task.own`), an object of such a class, or the settings of the table [task].
    `rewards`: beside those that the recipe weighs, each with a weight of 1 or as a mapping says. What is not found
    again in a module is the run's only as long as it is given: a resume must give it, too.
    `words`: `key=value`, as on the command line; they go before all else. `run`: the folder (None: a new one below
    runs/); with `resume`, one to go on with, by its own recipe: settings that would change it are refused.

    A recipe may have stages (`groupthink.train("r1")`): settings are then for all of them, words also for one
    (`zero.steps=10`), and a resume runs the stages anew that are asked for otherwise. A `view` that is given sees them
    all, and is told at the end of each that it is closed.

    Raises ValueError for settings that are not there or make no sense, and what else a run ends with.
    """
    table, given = _task_table(task), _named(rewards)
    if table:
        settings["task"] = {**settings.get("task", {}), **table}
    if given:
        settings["reward"] = {**settings.get("reward", {}), **given}
    if resume and run is None:
        raise ValueError("resume=True needs run=...: which run is to go on?")
    if is_pipeline(Path(run)) if resume and run is not None else has_stages(recipe):
        return _train_stages(recipe, run, resume, words, _as_toml(settings), view)
    view = view or open_view()
    if resume:
        assert run is not None
        if recipe is not None:
            raise ValueError("a resumed run takes its own recipe: leave out the one that is named")
        begun = Run.resume(run, words, _as_toml(settings))
    else:
        asked = load_recipe(recipe, words, _as_toml(settings))
        require_ready(asked, view.note)
        begun = Run.create(run or free_directory(recipe_name(recipe)), asked)
    with begun:
        try:
            view.started(begun.recipe, begun.remaining_steps())
            figures = stage.train(begun, view)
        finally:
            view.closed()
    model = begun.path / "model" if made_by(begun.recipe.stage) == "model" else None
    return Trained(begun.path, model, figures)


def _train_stages(
    recipe: str | Path | None,
    run: str | Path | None,
    resume: bool,
    words: Sequence[str],
    settings: Mapping[str, Any],
    view: View | None,
) -> Trained:
    """`train`, by a recipe of several stages."""
    place = Path(run) if run is not None else None
    asked = recipe if recipe is not None or place is None or not resume else place / PIPELINE
    pipeline = load_pipeline(asked, words, settings)
    require_stages(pipeline, (view or open_view()).note, path=place if resume else None)
    begin = PipelineRun.resume if resume else PipelineRun.create
    with begin(place or free_directory(recipe_name(recipe)), pipeline) as begun:
        figures = run_stages(begun, lambda: view or open_view())
    return Trained(begun.path, None if pipeline.last_model is None else begun.path / "model", figures)


def evaluate(model: str | Path, **asked: Any) -> dict[str, Any]:
    """The figures of a model on held-out problems: see `groupthink.stage.evaluate.evaluate_model`."""
    return evaluate_model(str(model), **asked)


def _task_table(task: Any) -> dict[str, Any]:
    if task is None:
        return {}
    if isinstance(task, Mapping):
        return dict(task)
    return {"name": task if isinstance(task, str) else give(task)}


def _named(rewards: Reward | Sequence[Reward] | Mapping[Reward, float]) -> dict[str, float]:
    """Weights by the names that a recipe has for rewards. Raises ValueError where two have the same."""
    several = [rewards] if isinstance(rewards, str) or callable(rewards) else rewards
    weighted = list(several.items()) if isinstance(several, Mapping) else [(reward, 1.0) for reward in several]
    named: dict[str, float] = {}
    for reward, weight in weighted:
        name = reward if isinstance(reward, str) else give(reward)
        if name in named:
            raise ValueError(f"two rewards are called {name!r}: give each a name of its own, by which it is recorded")
        named[name] = weight
    return named


def _as_toml(value: Any) -> Any:
    """As a TOML file would hold it."""
    if isinstance(value, Mapping):
        return {key: _as_toml(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_as_toml(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value
