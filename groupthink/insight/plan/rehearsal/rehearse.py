"""What a measuring process does: the run's own engine and learner, on a few of its problems, for a few seconds.

At depth 0 it takes the model as it is, with its weights; at any other a model of so many layers, its weights drawn at
random, in place of one that is large or whose weights are not there: what a step takes grows with the layers by a
straight line, of which two depths are two points.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial

import numpy as np
import torch

from groupthink.insight.plan.machine import held_by
from groupthink.insight.plan.measure import Rehearsal
from groupthink.insight.plan.rehearsal.clock import timed
from groupthink.insight.plan.rehearsal.demonstrated import demonstrated
from groupthink.insight.plan.rehearsal.drawing import draw, draw_shares
from groupthink.insight.plan.rehearsal.judged import record, score
from groupthink.insight.plan.rehearsal.learning import batch_of, learn, sync, two_of
from groupthink.insight.plan.rehearsal.lengths import lengths_of, preferred_length, to_their_end
from groupthink.insight.plan.rehearsal.parts import open_parts
from groupthink.insight.plan.shape import read_shape
from groupthink.insight.plan.workload import even_operations, group_of, problems_of
from groupthink.recipe import BY_REWARDS, Recipe, load_recipe

STEP = ("generate", "score", "learn", "sync", "record")
"""The phases of a step, in their order."""


def main(words: Sequence[str], began: float) -> None:
    """Rehearse the recipe in the file `words[0]` at the depths that follow, and print the figures as JSON.

    `began`: when this process did, by `time.perf_counter`.
    """
    recipe, depths = load_recipe(words[0]), [int(word) for word in words[1:]]
    if recipe.stage == "sample":  # it has groups of its own size
        recipe = replace(recipe, rollout=replace(recipe.rollout, group_size=recipe.sample.responses))
    code, data = held()
    found = []
    for depth in depths:
        found.append(rehearse(recipe, depth, code, data, began))
        began = time.perf_counter()
    whole = (
        found[0]
        if len(found) == 1
        else at_depth(read_shape(recipe.model, recipe.trust_remote_code, recipe.layers).layers, depths, found)
    )
    print(json.dumps(asdict(whole)))


def held() -> tuple[int, int]:
    """Bytes of libraries and of their data in this process, as it is now; zeros where the system does not say."""
    its = held_by("self")
    return (its["Rss"] - its["Anonymous"], its["Anonymous"]) if its else (0, 0)


def at_depth(layers: int, depths: Sequence[int], found: Sequence[Rehearsal]) -> Rehearsal:
    """What it would be with so many layers, by a straight line through what was found at two depths."""
    low, high = found

    def line(first: float, second: float) -> float:
        return first + max(0.0, second - first) * (layers - depths[0]) / (depths[1] - depths[0])

    return replace(
        high,
        seconds={phase: line(taken, high.seconds[phase]) for phase, taken in low.seconds.items()},
        response_seconds=line(low.response_seconds, high.response_seconds),
        update=line(low.update, high.update),
        drawing=(
            (
                line(low.drawing[0], high.drawing[0]),
                line(low.drawing[1], high.drawing[1]),
                line(low.drawing[2], high.drawing[2]),
            )
            if low.drawing and high.drawing
            else None
        ),
        start_seconds=low.start_seconds,  # into which the libraries' import falls; reading weights is not seen
    )


def rehearse(recipe: Recipe, depth: int, code: int, data: int, began: float) -> Rehearsal:
    """Draw, judge and learn on some of a step's problems."""
    notes: list[str] = []
    with open_parts(recipe, depth, notes) as parts:
        start = time.perf_counter() - began
        parts.engine.load(parts.learner.weights)
        problems = parts.task.sample(0, recipe.task.problems_per_step)
        prompt = float(np.mean([len(parts.chat.encode(problem.prompt)) for problem in problems]))
        groups, rate, load = draw(recipe, parts, problems, prompt, seen=not depth)
        per_response = rate * even_operations(parts.shape, load, len(problems), recipe.rollout.group_size)
        per_response /= len(problems) * recipe.rollout.group_size
        drawing = draw_shares(recipe, parts, problems, prompt, rate) if recipe.scale.wanted else None
        scores, judging = score(recipe, parts, groups, depth, notes)
        update, lengths = 0.0, lengths_of(groups, recipe.rollout.max_tokens) if not depth else ()
        if not depth and recipe.stage in BY_REWARDS and to_their_end(groups, recipe.rollout.max_tokens):
            load = replace(load, response=preferred_length(groups, scores, load.response, notes))
        whole = even_operations(parts.shape, load, len(problems), recipe.rollout.group_size)
        seconds = {"generate": rate * whole}
        if recipe.stage == "sft":
            load, groups = demonstrated(recipe, parts)
            seconds["generate"] = 0.0
        else:
            seconds["score"] = judging * problems_of(recipe) * group_of(recipe)
        if recipe.stage != "sample":
            if torch.cuda.is_available():
                parts.engine.release()  # as a run does before it learns
            # The first update waits for the processes that learn, as it does in a run.
            start += timed(partial(parts.learner.update, batch_of(recipe, two_of(groups))))[0]
            seconds["learn"], update, batch, report = learn(recipe, parts, groups, load)
            seconds["sync"] = sync(parts)
            if recipe.stage != "sft":
                share = problems_of(recipe) * group_of(recipe) * load.response / max(len(batch.token_ids_M), 1)
                seconds["record"] = record(recipe, groups, scores, batch, report) * share
        return Rehearsal(
            seconds={phase: seconds.get(phase, 0.0) for phase in STEP},
            response_seconds=per_response + 2 * judging,  # which an evaluation does twice: strictly, and leniently
            start_seconds=start,
            worth=parts.worth,
            prompt=load.prompt,
            response=load.response,
            seen=load.measured,
            notes=tuple(notes),
            code=code,
            data=data,
            update=update,
            lengths=lengths,
            drawing=drawing,
        )
