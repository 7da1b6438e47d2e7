"""Drawing, measured: few problems, then all of them, then more tokens of each."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import ceil
from statistics import median

from groupthink.insight.plan.cluster.rates import fitted_drawing
from groupthink.insight.plan.rehearsal.clock import SECONDS, timed
from groupthink.insight.plan.rehearsal.lengths import count_of, mean_length
from groupthink.insight.plan.rehearsal.parts import Parts
from groupthink.insight.plan.workload import Workload, operations
from groupthink.recipe import Recipe
from groupthink.records import Group, Problem
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import generate
from groupthink.task.reply import reply_of

FIRST_TOKENS = 8
"""Of each response at the first look."""


def draw(
    recipe: Recipe, parts: Parts, problems: Sequence[Problem], prompt: float, *, seen: bool
) -> tuple[list[Group], float, Workload]:
    """Groups, the seconds that an operation of theirs takes, and how long responses are.

    First few problems, then all of them, then more tokens of each, as long as there is time.
    """
    sampling, limit = Sampling.of(recipe.rollout), recipe.rollout.max_tokens
    few, tokens = min(parts.staff.drawing, len(problems)), min(FIRST_TOKENS, limit)
    _drawn(parts, problems[:few], replace(sampling, max_tokens=tokens), recipe.seed)  # which wakes who draws
    spent, took, groups, count = 0.0, 0.0, list[Group](), few
    while True:
        spent_now, drawn = timed(partial(_drawn, parts, problems[:count], replace(sampling, max_tokens=tokens)))
        groups, took, spent = drawn, spent_now, spent + spent_now
        ended = all(response.finish == "stop" for group in groups for response in group.responses)
        if count == len(problems) and (ended or tokens == limit):
            break
        more = (len(problems), tokens) if count < len(problems) else (count, min(4 * tokens, limit))
        after = more[0] * operations(parts.shape, [prompt], [[float(more[1])] * sampling.n])
        if spent + took * after / count_of(parts.shape, groups) > SECONDS:
            break
        count, tokens = more
    times, sizes = [took], [count_of(parts.shape, groups)]
    while spent + took < SECONDS and len(times) < 3:  # cheap: once more, with other responses
        seed = recipe.seed + len(times)
        took, groups = timed(partial(_drawn, parts, problems[:count], replace(sampling, max_tokens=tokens), seed))
        times.append(took)
        sizes.append(count_of(parts.shape, groups))
        spent += took
    load = Workload(prompt, *mean_length(groups, tokens, limit, seen=seen))
    return groups, median(one / size for one, size in zip(times, sizes, strict=True)), load


def draw_shares(
    recipe: Recipe, parts: Parts, problems: Sequence[Problem], prompt: float, rate: float
) -> tuple[float, float, float]:
    """How fast one of several engines draws what it will have at a time, and how fast it draws less (`Drawing`).

    `rate`: seconds of an operation, about.
    """
    sampling, scale = Sampling.of(recipe.rollout), recipe.scale
    asked = len(problems) * (1 + recipe.rollout.lag) / max(1, scale.engines)
    most = scale.prompts if scale.engines else len(problems)
    many = list(problems[: max(1, min(most, ceil(asked)))])
    tokens = sampling.max_tokens
    while (
        tokens > FIRST_TOKENS and rate * len(many) * _group_operations(parts, prompt, tokens, sampling.n) > SECONDS / 2
    ):
        tokens //= 2
    reading, _ = timed(partial(_drawn, parts, many, replace(sampling, max_tokens=1)))
    each = reading / len(many)
    batches = []
    few, fewer = (many[: len(many) // 4 or 1], sampling.n) if len(many) > 1 else (many, max(1, sampling.n // 4))
    for some, count in ((many, sampling.n), (few, fewer)):
        took, groups = timed(partial(_drawn, parts, some, replace(sampling, max_tokens=tokens, n=count)))
        lengths = [[len(response) for response in group.responses] for group in groups]
        batches.append((lengths, max(took - each * len(some), took / 10)))
    drawing = fitted_drawing(batches)
    return drawing.step, drawing.row, each


def _drawn(parts: Parts, problems: Sequence[Problem], sampling: Sampling, seed: int = 0) -> list[Group]:
    return generate(parts.engine, parts.chat, problems, sampling, seed, reply=reply_of(parts.task))


def _group_operations(parts: Parts, prompt: float, tokens: float, size: int) -> float:
    return operations(parts.shape, [prompt], [[tokens] * size])
