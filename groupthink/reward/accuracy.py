"""Accuracy: is the answer right? The task's own rule decides; no model and no label is asked."""

from collections.abc import Sequence
from typing import Protocol

from groupthink.records import Problem
from groupthink.task.answer.rule import Rule
from groupthink.task.verdict import Verdict


class Verifier(Protocol):
    """The part of a task that the judge needs.

    A task whose verdict is that of a rule (`groupthink.task.answer`) on `problem.answer` may have a method
    `rule_of(problem)`, too, which gives the rule, or None: then several answers are compared at a time, and votes are
    counted by it.
    """

    def verify(self, problem: Problem, text: str, /) -> Verdict: ...


def verify(task: Verifier, problem: Problem, answer: str | None) -> Verdict:
    """The task's verdict on an answer; without an answer, wrong; without a known one, neither right nor wrong."""
    return verify_all(task, [(problem, answer)])[0]


def verify_all(task: Verifier, answers: Sequence[tuple[Problem, str | None]]) -> list[Verdict]:
    """`verify` for each answer, in order; where the task tells its rule, as many at a time as the rule can."""
    verdicts: list[Verdict | None] = []
    batches: dict[Rule, list[int]] = {}
    for place, (problem, answer) in enumerate(answers):
        rule = rule_of(task, problem)
        if rule is not None and problem.answer is None:
            verdicts.append(Verdict(None, None, "no answer is known"))
        elif answer is None:
            verdicts.append(Verdict(False, None, "no answer"))
        elif rule is None:
            verdicts.append(task.verify(problem, answer))
        else:
            verdicts.append(None)
            batches.setdefault(rule, []).append(place)
    for rule, places in batches.items():
        found = rule.many([(str(answers[place][0].answer), str(answers[place][1])) for place in places])
        for place, verdict in zip(places, found, strict=True):
            verdicts[place] = verdict
    return [verdict for verdict in verdicts if verdict is not None]


def rule_of(task: Verifier, problem: Problem) -> Rule | None:
    """The rule by which `task` compares answers to `problem`, where it tells."""
    tell = getattr(task, "rule_of", None)
    return tell(problem) if tell is not None else None


def accuracy(verdict: Verdict) -> float | None:
    """1 where the answer is right, else 0; None where nobody knows the right one."""
    return None if verdict.right is None else float(verdict.right)
