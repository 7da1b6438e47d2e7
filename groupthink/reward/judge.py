"""The judge: scores each response by several rewards, and keeps each reward's part in what it says."""

import asyncio
import math
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from groupthink.chain import read_chain
from groupthink.records import Group, Problem, Response, Score
from groupthink.reward.accuracy import Verifier, accuracy, verify
from groupthink.reward.brevity import brevity
from groupthink.reward.format import adherence
from groupthink.reward.functions import Reward
from groupthink.reward.named import named_rewards
from groupthink.reward.settings import RewardSettings
from groupthink.task.verdict import Verdict

T = TypeVar("T")


class Judge:
    """Scores responses to the problems of one task.

    `opened`: the prompt itself ends with `<think>`, so responses begin inside the reasoning.
    """

    def __init__(self, settings: RewardSettings, task: Verifier, *, opened: bool = False):
        self.settings = settings
        self.task = task
        self.opened = opened
        self.weights = settings.weights
        self._functions: dict[str, Reward] = named_rewards(settings, opened=opened)

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """A score for each response of each group (P x G).

        The value is the weighted sum of the parts that are not None; the weights of the others stay as
        they are. Raises ValueError where a function gives NaN, infinity, no number, or too few values.
        """
        return _run(self._score_all(groups))

    async def _score_all(self, groups: Sequence[Group]) -> list[list[Score]]:
        return list(await asyncio.gather(*map(self._score_group, groups)))

    async def _score_group(self, group: Group) -> list[Score]:
        columns = await asyncio.gather(*(reward(group) for reward in self._functions.values()))
        scores = []
        for place, response in enumerate(group.responses):
            own, verdict = self._rules(group.problem, response)
            parts = own | {name: column[place] for name, column in zip(self._functions, columns, strict=True)}
            scores.append(Score(weighted_sum(parts, self.weights), parts, verdict.extracted, verdict.note))
        return scores

    def _rules(self, problem: Problem, response: Response) -> tuple[dict[str, float | None], Verdict]:
        chain = read_chain(response.text, opened=True) if self.opened else response.chain
        verdict = verify(self.task, problem, chain.answer)
        brief, long = self.settings.brief, self.settings.long
        parts: dict[str, float | None] = {
            "accuracy": accuracy(verdict),
            "format": adherence(chain, response.finish),
            "brevity": brevity(response.written, right=verdict.right, brief=brief, long=long),
        }
        return parts, verdict


def _run(coroutine: Coroutine[None, None, T]) -> T:
    """What it comes to; also where a loop runs already, as in a notebook: then in a thread of its own."""
    try:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(coroutine)
        with ThreadPoolExecutor(1) as aside:
            return aside.submit(asyncio.run, coroutine).result()
    finally:
        coroutine.close()  # a signal may come before it has begun, and Python would warn of that


def weighted_sum(parts: Mapping[str, float | None], weights: Mapping[str, float]) -> float:
    """The sum of weight times part over the parts that are not None, rounded once.

    Rounded once, the value does not depend on the order of the parts: 0.6 + 0.2 + 0.2 is 1.0 in every
    order, and responses that earn the same are exactly equal, as groups of equal rewards must be.
    """
    return math.fsum(weights[name] * part for name, part in parts.items() if part is not None)
