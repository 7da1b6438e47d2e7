"""How many processes draw fastest here: measured at the first start, on problems of the recipe's own."""

import time

from groupthink.model.chat import Chat
from groupthink.recipe import Recipe
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.worker_engine import WorkerEngine
from groupthink.task import Task

TOKENS = 64
"""Of a response: as many as tell one number of processes from another, with nano within a second or two."""

WORTH = 0.95
"""Of the time of fewer processes, at which more are worth what they take of memory."""


def fastest(engine: WorkerEngine, chat: Chat, task: Task, recipe: Recipe) -> int:
    """The number of processes, from 1 to all that `engine` has, in which a step's responses are drawn soonest."""
    problems = task.sample(0, recipe.task.problems_per_step)
    sampling = Sampling(min(TOKENS, recipe.rollout.max_tokens), recipe.rollout.temperature, n=recipe.rollout.group_size)

    def seconds(processes: int) -> float:
        engine.use(processes)
        start = time.perf_counter()
        generate(engine, chat, problems, sampling, recipe.seed)
        return time.perf_counter() - start

    most = len(engine.workers) + 1
    seconds(most)  # all are awake then
    numbers = sorted({min(2**power, most) for power in range(most.bit_length() + 1)})
    best, least = 1, float("inf")
    for processes in numbers:
        took = min(seconds(processes) for _ in range(2))
        if took < WORTH * least:
            best, least = processes, took
    return best
