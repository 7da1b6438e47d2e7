"""How many processes draw fastest here: measured on problems of the recipe's own, before a run or a plan of one."""

import time
from collections.abc import Callable, Sequence

from groupthink.model.chat import Chat
from groupthink.records import Problem
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.worker_engine import WorkerEngine

TOKENS = 64
"""Of a response: as many as tell one number of processes from another, with nano within a second or two."""

WORTH = 0.95
"""Of the time of fewer processes, at which more are worth what they take of memory."""


def fastest(
    engine: WorkerEngine,
    chat: Chat,
    problems: Sequence[Problem],
    settings: RolloutSettings,
    seed: int,
    tokens: int = TOKENS,
) -> int:
    """The number of processes, from 1 to all that `engine` has, in which groups of responses are drawn soonest.

    `problems`: a step's. `tokens`: where a response is cut, if not by `settings` before.
    """
    sampling = Sampling(min(tokens, settings.max_tokens), settings.temperature, n=settings.group_size)

    def seconds(processes: int) -> float:
        engine.use(processes)
        start = time.perf_counter()
        generate(engine, chat, problems, sampling, seed)
        return time.perf_counter() - start

    return fewest(seconds, len(engine.workers) + 1)


def fewest(seconds: Callable[[int], float], most: int) -> int:
    """The number of processes, from 1 to `most`, that is hardly slower than any: each is timed twice."""
    seconds(most)  # all are awake then
    numbers = sorted({min(2**power, most) for power in range(most.bit_length() + 1)})
    best, least = 1, float("inf")
    for processes in numbers:
        took = min(seconds(processes) for _ in range(2))
        if took < WORTH * least:
            best, least = processes, took
    return best
