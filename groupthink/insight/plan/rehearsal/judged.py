"""Scores of what was drawn, and its record: what they take."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from groupthink.insight.plan.rehearsal.clock import timed
from groupthink.insight.plan.rehearsal.parts import Parts
from groupthink.recipe import Recipe
from groupthink.records import Batch, Group, Report, Score
from groupthink.reward.judge import Judge
from groupthink.run.directory import Run


def score(
    recipe: Recipe, parts: Parts, groups: list[Group], depth: int, notes: list[str]
) -> tuple[list[list[Score]], float]:
    """Scores, and the seconds that one takes. Nobody outside is asked, and nonsense is not judged."""
    parts_of_none = dict.fromkeys(recipe.reward.weights, 0.0)  # as many columns as are written down of real ones
    nothing = [[Score(0.0, parts_of_none) for _ in group.responses] for group in groups]
    if depth or recipe.stage == "sft":
        return nothing, 0.0
    if recipe.reward.judge:
        notes.append("reward.judge asks another model, which was left out: its time comes on top")
        return nothing, 0.0
    try:
        judge = Judge(recipe.reward, parts.task, opening=parts.chat.opening, code=recipe.code)
        seconds, scores = timed(lambda: judge.score(groups))
    except Exception as error:
        notes.append(f"the rewards were left out of the time, for they failed: {type(error).__name__}: {error}")
        return nothing, 0.0
    return scores, seconds / sum(len(group.responses) for group in groups)


def record(recipe: Recipe, groups: list[Group], scores: list[list[Score]], batch: Batch, report: Report) -> float:
    """Seconds in which the groups of a batch are written down."""
    kept, judged = groups[: len(batch.prompts)], scores[: len(batch.prompts)]
    advantages_PG = np.zeros((len(kept), len(kept[0].responses)))
    with TemporaryDirectory(prefix="groupthink-") as folder, Run.create(Path(folder) / "run", recipe) as run:

        def write(step: int) -> None:
            run.record(step, kept, judged, advantages_PG, batch, report, {})

        return min(timed(partial(write, step))[0] for step in range(3))  # the first imports much
