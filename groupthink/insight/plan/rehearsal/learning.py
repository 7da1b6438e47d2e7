"""Learning, measured: an update of little, one of much, and a line through both; and the weights on their way."""

from dataclasses import replace
from functools import partial
from statistics import median

import numpy as np

from groupthink.insight.plan.rehearsal.clock import SECONDS, timed
from groupthink.insight.plan.rehearsal.lengths import count_of
from groupthink.insight.plan.rehearsal.parts import Parts
from groupthink.insight.plan.workload import Workload, step_operations
from groupthink.policy.assemble import assemble
from groupthink.recipe import Recipe
from groupthink.records import Batch, Group, Report


def learn(recipe: Recipe, parts: Parts, groups: list[Group], load: Workload) -> tuple[float, float, Batch, Report]:
    """Seconds in which a step is learned from, by a line through an update of little and one of much; and those of
    them in which nothing would be, too.

    Much is as many groups as there is time for.
    """
    little, few = batch_of(recipe, two_of(groups)), count_of(parts.shape, two_of(groups))
    short, _ = timed(partial(parts.learner.update, little))
    spent, count = short, 1
    while True:
        much, many = batch_of(recipe, groups[:count]), count_of(parts.shape, groups[:count])
        took, report = timed(partial(parts.learner.update, much))
        spent += took
        slope = max(0.0, (took - short) / (many - few)) if many > few else 0.0
        each = max(slope * many / count, 1e-9)  # a further group
        more = min(len(groups), int((SECONDS - spent) / each))
        if more <= count:
            break
        count = more
    times = [took]
    while spent + took < SECONDS and len(times) < 3:
        again, report = timed(partial(parts.learner.update, much))
        times.append(again)
        spent += again
    long = median(times)
    slope = max(0.0, (long - short) / (many - few)) if many > few else 0.0
    fixed = max(0.0, long - slope * many)
    whole = step_operations(recipe, parts.shape, load)
    update = recipe.policy.epochs * recipe.policy.minibatches * fixed
    return update + recipe.policy.epochs * slope * whole, update, much, report


def two_of(groups: list[Group]) -> list[Group]:
    """One group, of its first two responses alone."""
    return [replace(groups[0], responses=groups[0].responses[:2])]


def batch_of(recipe: Recipe, groups: list[Group]) -> Batch:
    """Groups with advantages of any size, so that every one of them teaches something."""
    if recipe.stage == "sft":
        advantages_PG = np.ones((len(groups), 1))
        return assemble(groups, advantages_PG)
    size = len(groups[0].responses)
    signs = np.where(np.arange(size) % 2, -1.0, 1.0)
    return assemble(groups, np.tile(signs, (len(groups), 1)), recipe.objective, recipe.rollout.max_tokens)


def sync(parts: Parts) -> float:
    """Seconds for the engine to take the learner's weights, and to make sure of it."""

    def both() -> None:
        parts.engine.load(parts.learner.weights)
        parts.engine.verify(parts.learner.weights)

    return median(timed(both)[0] for _ in range(2))
