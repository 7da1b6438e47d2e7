"""The judge: scores each response by several rewards, and keeps each reward's part in what it says."""

import asyncio
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from groupthink.chain import Chain, read_chain
from groupthink.records import Group, Response, Score
from groupthink.reward.accuracy import Verifier, accuracy, rule_of, verify_all
from groupthink.reward.brevity import brevity
from groupthink.reward.format import adherence, boxed, tagged
from groupthink.reward.functions import Reward
from groupthink.reward.language import consistency
from groupthink.reward.majority import majority
from groupthink.reward.named import named_rewards
from groupthink.reward.repetition import repetition
from groupthink.reward.settings import RewardSettings
from groupthink.task.answer.exact import plain
from groupthink.task.verdict import Verdict

T = TypeVar("T")


class Judge:
    """Scores responses to the problems of one task.

    `opened`: the prompt itself ends with `<think>`, so responses begin inside the reasoning. `watch`: is given each
    reward beside the rules, by its name, and gives what is asked in its place: who measures them, for instance.
    """

    def __init__(
        self,
        settings: RewardSettings,
        task: Verifier,
        *,
        opened: bool = False,
        watch: Callable[[str, Reward], Reward] | None = None,
    ):
        self.settings = settings
        self.task = task
        self.opened = opened
        self.weights = settings.weights
        self._functions: dict[str, Reward] = named_rewards(settings, opened=opened)
        if watch is not None:
            self._functions = {name: watch(name, reward) for name, reward in self._functions.items()}

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """A score for each response of each group (P x G).

        The value is the weighted sum of the parts that are not None; the weights of the others stay as
        they are. Raises ValueError where a function gives NaN, infinity, no number, or too few values.
        """
        return _run(self._score_all(groups))

    async def _score_all(self, groups: Sequence[Group]) -> list[list[Score]]:
        chains = [[self._read(response) for response in group.responses] for group in groups]
        asked = [(group.problem, chain.answer) for group, row in zip(groups, chains, strict=True) for chain in row]
        verdicts = iter(verify_all(self.task, asked))  # of all groups together: a rule may compare several at a time
        judged = [_agreed([next(verdicts) for _ in row]) for row in chains]
        return list(await asyncio.gather(*map(self._score_group, groups, chains, judged)))

    async def _score_group(self, group: Group, chains: list[Chain], verdicts: list[Verdict]) -> list[Score]:
        columns = await asyncio.gather(*(reward(group) for reward in self._functions.values()))
        named = dict(zip(self._functions, columns, strict=True))
        if "majority" in self.weights:
            named["majority"] = self._vote(group, chains, verdicts)
        scores = []
        for place, (response, chain, verdict) in enumerate(zip(group.responses, chains, verdicts, strict=True)):
            parts = self._rules(response, chain, verdict) | {name: column[place] for name, column in named.items()}
            scores.append(Score(weighted_sum(parts, self.weights), parts, verdict.extracted, verdict.note))
        return scores

    def _read(self, response: Response) -> Chain:
        return read_chain(response.text, opened=True) if self.opened else response.chain

    def _rules(self, response: Response, chain: Chain, verdict: Verdict) -> dict[str, float | None]:
        settings, finish, right = self.settings, response.finish, verdict.right
        brief, long = settings.brief, settings.long
        parts: dict[str, float | None] = {
            "accuracy": accuracy(verdict),
            "format": adherence(chain, finish),
            "brevity": None if right is None else brevity(response.written, right=right, brief=brief, long=long),
        }
        if settings.format_answer:
            parts["format_answer"] = tagged(chain, finish)
        if settings.format_boxed:
            parts["format_boxed"] = boxed(chain, finish)
        if settings.repetition:
            drawn = response.token_ids_T[response.sampled_T].tolist()
            parts["repetition"] = repetition(drawn, n=settings.repetition_n)
        if settings.language:
            parts["language"] = consistency(chain.reasoning, settings.script)
        return parts

    def _vote(self, group: Group, chains: list[Chain], verdicts: list[Verdict]) -> list[float | None]:
        """By the task's rule where it tells one; else by the answer as its verdict understood it, or as it stands."""
        rule = rule_of(self.task, group.problem)
        if rule is not None:
            return majority([chain.answer for chain in chains], lambda one, other: rule(one, other).right is True)
        understood = any(verdict.extracted is not None for verdict in verdicts)
        answers = [
            verdict.extracted if understood or chain.answer is None else plain(chain.answer)
            for chain, verdict in zip(chains, verdicts, strict=True)
        ]
        return majority(answers, lambda one, other: one == other)


def _agreed(verdicts: list[Verdict]) -> list[Verdict]:
    """Where the right answer to a problem is not known, a response without an answer is not wrong either."""
    if any(verdict.right is None for verdict in verdicts):
        return [replace(verdict, right=None) for verdict in verdicts]
    return verdicts


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
