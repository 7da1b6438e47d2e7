"""How many processes draw fastest here: measured at the first start, on problems of the recipe's own."""

import time

from groupthink.model.chat import Chat
from groupthink.recipe import Recipe
from groupthink.rollout.engine import Sampling
from groupthink.rollout.fastest import fewest
from groupthink.rollout.generate import generate
from groupthink.rollout.worker_engine import WorkerEngine
from groupthink.task import Task

TOKENS = 64
"""Of a response: as many as tell one number of processes from another, with nano within a second or two."""


def fastest(engine: WorkerEngine, chat: Chat, task: Task, recipe: Recipe) -> int:
    """The number of processes, from 1 to all that `engine` has, in which a step's responses are drawn soonest."""
    problems = task.sample(0, recipe.task.problems_per_step)
    sampling = Sampling(min(TOKENS, recipe.rollout.max_tokens), recipe.rollout.temperature, n=recipe.rollout.group_size)

    def seconds(processes: int) -> float:
        engine.use(processes)
        start = time.perf_counter()
        generate(engine, chat, problems, sampling, recipe.seed)
        return time.perf_counter() - start

    return fewest(seconds, len(engine.workers) + 1)
