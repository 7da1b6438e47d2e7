"""How a stage that samples and learns went, step by step."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from groupthink.chain import read_chain
from groupthink.insight.report.records import Course, Stage
from groupthink.recipe import load_recipe
from groupthink.run.checkpoints import step_of
from groupthink.task import close_task, open_tasks
from groupthink.task.worked import CHECKS

CURVES = {
    "reward": "reward",
    "accuracy": "rewards/accuracy/mean",
    "reverse_kl": "distill/reverse_kl",
    "length": "completions/mean_length",
}
"""Mean reward, share of right responses, nats a token to the teacher, mean tokens: by the names of metrics.jsonl."""


def course_of(lines: Sequence[Mapping[str, Any]]) -> Course | None:
    """The curves of a run so far; None where it has done no step yet."""
    steps = tuple(int(line["step"]) for line in lines)
    curves = {name: tuple(line.get(metric) for line in lines) for name, metric in CURVES.items()}
    return Course(steps, curves) if steps else None


def checking_of(stage: Stage) -> tuple[float | None, ...] | None:
    """At each step the share of chains that check themselves; None where none does, or the task has no name for that.

    All of the stage's rollouts are read.
    """
    if stage.course is None or stage.evaluated is None or CHECKS not in stage.evaluated.traits:
        return None
    recipe = load_recipe(stage.path / "recipe.toml")
    try:
        task = open_tasks(recipe.task, recipe.seed)
    except (OSError, ValueError):  # a data set that it is mixed with is gone: nobody can read its chains any more
        return None
    try:
        files = sorted((stage.path / "rollouts").glob("step-*.parquet"))
        shares = {step_of(file): _checking(file, task.traits) for file in files}
    finally:
        close_task(task)
    return tuple(shares.get(step) for step in stage.course.steps) if any(shares.values()) else None


def _checking(rollouts: Path, traits: Callable[[str | None], frozenset[str]]) -> float:
    texts = parquet.read_table(rollouts, columns=["text"]).column("text").to_pylist()
    return sum(CHECKS in traits(read_chain(text).reasoning) for text in texts) / max(1, len(texts))
