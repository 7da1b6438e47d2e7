"""Any task with the answers to its training problems withheld: what can be learned by a group's own vote alone?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from groupthink.records import Group, Problem
from groupthink.task.adaptive import METHODS
from groupthink.task.around import Around
from groupthink.task.scoring import Assessment, Scoring
from groupthink.task.verdict import Verdict

KEPT = "_withheld"  # no column that rewards are given


class Unlabelled(Around):
    """`task`, whose training problems have no answer: its verdict on them says what was read, and not if it is right.

    Held-out problems keep theirs, so that evaluations can tell what was learned. `reward.majority` is a reward for it.
    """

    def __init__(self, task: Any):
        super().__init__(task.name, task)
        for methods in (METHODS, ("reply",), ("keep",), ("limit",), ("expect",)):
            self._pass_on(*methods)
        if isinstance(task, Scoring):
            vars(self)["assess"] = self._assess  # as `_pass_on` sets what a task may have

    def sample(self, step: int, n: int) -> list[Problem]:
        return [self._withheld(problem) for problem in self.task.sample(step, n)]

    def held_out(self, n: int) -> list[Problem]:
        return self.task.held_out(n)

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        if KEPT not in problem.info:
            return self.task.verify(problem, text, lenient)
        read = self.task.verify(replace(problem, answer=problem.info[KEPT]), text, lenient)
        return _untold(read)

    def _assess(self, groups: Sequence[Group], opening: str = "") -> list[list[Assessment] | None]:
        """Of training problems what a response earns is told, and not whether it is right."""
        return [
            [replace(each, verdict=_untold(each.verdict)) for each in told]
            if told is not None and self._is_withheld(group.problem)
            else told
            for group, told in zip(groups, self.task.assess(groups, opening), strict=True)
        ]

    def _is_withheld(self, problem: Problem) -> bool:
        return KEPT in problem.info or (problem.answer is None and self.rule_of(problem) is not None)

    def _withheld(self, problem: Problem) -> Problem:
        """Where a task tells no rule, the answer stays where its verdict finds it, to read what was answered."""
        if self.rule_of(problem) is not None:  # by which votes are compared
            return replace(problem, answer=None)
        return replace(problem, answer=None, info={**problem.info, KEPT: problem.answer})


def _untold(read: Verdict) -> Verdict:
    return Verdict(None, read.extracted, "no answer is known")
