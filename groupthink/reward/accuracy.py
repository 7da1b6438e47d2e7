"""Accuracy: is the answer right? The task's own rule decides; no model and no label is asked."""

from typing import Protocol

from groupthink.records import Problem
from groupthink.task.verdict import Verdict


class Verifier(Protocol):
    """The part of a task that the judge needs."""

    def verify(self, problem: Problem, text: str, /) -> Verdict: ...


def verify(task: Verifier, problem: Problem, answer: str | None) -> Verdict:
    """The task's verdict on an answer; without an answer, wrong."""
    return Verdict(False, None, "no answer") if answer is None else task.verify(problem, answer)


def accuracy(verdict: Verdict) -> float:
    """1 where the answer is right, else 0."""
    return 1.0 if verdict.right else 0.0
