"""The judge: scores each response by several rewards, and keeps each reward's part in what it says."""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from groupthink.chain import Chain, read_chain
from groupthink.records import Group, Response, Score
from groupthink.reward.accuracy import Verifier, accuracy, rule_of, verify_all
from groupthink.reward.beside import run_beside
from groupthink.reward.brevity import brevity
from groupthink.reward.format import adherence, boxed, tagged
from groupthink.reward.functions import Noted, Reward, Value, value_of
from groupthink.reward.language import consistency
from groupthink.reward.majority import majority
from groupthink.reward.named import named_rewards
from groupthink.reward.repetition import repetition
from groupthink.reward.settings import CodeSettings, JudgeSettings, RewardSettings
from groupthink.task.answer.exact import plain
from groupthink.task.mixture import Mixture
from groupthink.task.scoring import Assessment, Scoring, assess
from groupthink.task.verdict import Verdict

Columns = Mapping[str, Sequence[Value]]
"""By the name of a reward, its values for the responses of one group."""


class Judge:
    """Scores responses to the problems of one task.

    `opening`: what the prompt itself has written of the chain of thought, such as `<think>`: see `read_chain`. `code`
    and `judge` say how programs are run and which other model is asked, where the settings weigh that (None: as by
    default). `watch`: is given each reward beside the rules, by its name, and gives what is asked in its place: who
    measures them, for instance. Raises ValueError where `reward.environment` weighs something, and the task is no
    environment.
    """

    def __init__(
        self,
        settings: RewardSettings,
        task: Verifier,
        *,
        opening: str = "",
        code: CodeSettings | None = None,
        judge: JudgeSettings | None = None,
        watch: Callable[[str, Reward], Reward] | None = None,
    ):
        require_environment(settings, task)
        self.settings = settings
        self.task = task
        self.opening = opening
        self.weights = settings.weights
        self.restarts: list[str] = []  # it has no process of its own
        self._functions: dict[str, Reward] = named_rewards(
            settings, code or CodeSettings(), judge or JudgeSettings(), opening=opening
        )
        if watch is not None:
            self._functions = {name: watch(name, reward) for name, reward in self._functions.items()}

    def score(self, groups: Sequence[Group]) -> list[list[Score]]:
        """A score for each response of each group (P x G).

        The value is the weighted sum of the parts that are not None; the weights of the others stay as
        they are. Raises ValueError where a function gives NaN, infinity, no number, or too few values.
        """
        chains = [[self._read(response) for response in group.responses] for group in groups]
        whole = assess(self.task, groups, self.opening)  # None where answers are judged alone
        asked = [
            (group.problem, chain.answer)
            for group, row, told in zip(groups, chains, whole, strict=True)
            if told is None
            for chain in row
        ]
        verdicts = iter(verify_all(self.task, asked))  # of all groups together: a rule may compare several at a time
        judged = [
            _agreed([next(verdicts) for _ in row] if told is None else [each.verdict for each in told])
            for row, told in zip(chains, whole, strict=True)
        ]
        columns: Sequence[Columns] = [{}] * len(groups)
        if self._functions:
            columns = run_beside(partial(self._ask, groups))
        return list(map(self._score_group, groups, chains, judged, whole, columns))

    async def _ask(self, groups: Sequence[Group]) -> list[Columns]:
        """What is to be waited for, of all groups at a time. Nothing of ours computes here: sandboxes are timed."""

        async def ask(group: Group) -> Columns:
            values = await asyncio.gather(*(reward(group) for reward in self._functions.values()))
            return dict(zip(self._functions, values, strict=True))

        return list(await asyncio.gather(*map(ask, groups)))

    def _score_group(
        self,
        group: Group,
        chains: list[Chain],
        verdicts: list[Verdict],
        whole: list[Assessment] | None,
        columns: Columns,
    ) -> list[Score]:
        if "environment" in self.weights:
            told = [None for _ in chains] if whole is None else [each.reward for each in whole]
            columns = {**columns, "environment": told}
        if "majority" in self.weights:
            columns = {**columns, "majority": self._vote(group, chains, verdicts)}
        scores = []
        for place, (response, chain, verdict) in enumerate(zip(group.responses, chains, verdicts, strict=True)):
            given = {name: column[place] for name, column in columns.items()}
            parts = self._rules(response, chain, verdict) | {name: value_of(value) for name, value in given.items()}
            notes = [f"{name}: {value.note}" for name, value in given.items() if isinstance(value, Noted)]
            note = "; ".join(filter(None, [verdict.note, *notes]))
            scores.append(Score(weighted_sum(parts, self.weights), parts, verdict.extracted, note))
        return scores

    def _read(self, response: Response) -> Chain:
        return read_chain(response.text, opening=self.opening) if self.opening else response.chain

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
            parts["repetition"] = repetition(response.token_ids_T[response.sampled_T], n=settings.repetition_n)
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


def require_environment(settings: RewardSettings, task: object) -> None:
    """Raise ValueError where `reward.environment` weighs something, and the task is no environment."""
    members = task.tasks.values() if isinstance(task, Mixture) else [task]
    if settings.environment and not any(isinstance(one, Scoring) for one in members):
        raise ValueError(
            f"reward.environment is {settings.environment:g}, and no environment gives a reward: name one in "
            "task.name, such as verifiers:ENVIRONMENT, or set it to 0"
        )


def _agreed(verdicts: list[Verdict]) -> list[Verdict]:
    """Where the right answer to a problem is not known, a response without an answer is not wrong either."""
    if any(verdict.right is None for verdict in verdicts):
        return [replace(verdict, right=None) for verdict in verdicts]
    return verdicts


def weighted_sum(parts: Mapping[str, float | None], weights: Mapping[str, float]) -> float:
    """The sum of weight times part over the parts that are not None, rounded once.

    Rounded once, the value does not depend on the order of the parts: 0.6 + 0.2 + 0.2 is 1.0 in every
    order, and responses that earn the same are exactly equal, as groups of equal rewards must be.
    """
    return math.fsum(weights[name] * part for name, part in parts.items() if part is not None)
