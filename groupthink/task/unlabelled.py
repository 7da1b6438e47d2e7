"""Any task with the answers to its training problems withheld: what can be learned by a group's own vote alone?"""

from dataclasses import replace
from typing import Any

from groupthink.records import Problem
from groupthink.task.verdict import Verdict

KEPT = "withheld"


class Unlabelled:
    """`task`, whose training problems have no answer: its verdict on them says what was read, and not if it is right.

    Held-out problems keep theirs, so that evaluations can tell what was learned. `reward.majority` is a reward for it.
    """

    def __init__(self, task: Any):
        self._task = task
        self.name = task.name

    def sample(self, step: int, n: int) -> list[Problem]:
        return [_withheld(problem) for problem in self._task.sample(step, n)]

    def held_out(self, n: int) -> list[Problem]:
        return self._task.held_out(n)

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        return self._task.demonstrate(problem, careful)

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        if KEPT not in problem.info:
            return self._task.verify(problem, text, lenient)
        read = self._task.verify(replace(problem, answer=problem.info[KEPT]), text, lenient)
        return Verdict(None, read.extracted, "no answer is known")

    def traits(self, reasoning: str | None) -> frozenset[str]:
        return self._task.traits(reasoning)


def _withheld(problem: Problem) -> Problem:
    """The answer stays where the task's own rule finds it, to read what was answered; nothing else sees it."""
    return replace(problem, answer=None, info={**problem.info, KEPT: problem.answer})
