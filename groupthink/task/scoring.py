"""A task that scores whole responses, with all their turns, where others judge an answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from groupthink.records import Group
from groupthink.task.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Assessment:
    """Assessment(verdict=Verdict(right=False, extracted="7", note="right 0, form 1"), reward=0.2)"""

    verdict: Verdict
    reward: float | None  # the part `environment` of a score; None: it does not count


@runtime_checkable
class Scoring(Protocol):
    """What such a task has, beside the rest."""

    def assess(self, groups: Sequence[Group], opening: str = "") -> list[list[Assessment] | None]:
        """An assessment of each response; None for a group whose answers are judged alone (a mixture may have both).

        `opening`: what the prompt has written of the chain of thought of each turn, as `read_chain` takes it.
        """
        ...


def assess(task: object, groups: Sequence[Group], opening: str = "") -> list[list[Assessment] | None]:
    """What the task says of whole responses; None for each group where it judges answers alone."""
    return task.assess(groups, opening) if isinstance(task, Scoring) else [None for _ in groups]
