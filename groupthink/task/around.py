"""A task around another one: whatever it does not change is the inner one's."""

from typing import Any

from groupthink.records import Problem
from groupthink.task.answer import Rule


class Around:
    """What a task that stands around another, `task`, has of it; what the inner one leaves out is filled in."""

    def __init__(self, name: str, task: Any):
        self.name, self.task = name, task

    @property
    def size(self) -> int | None:
        """How many problems a finite task has to train on."""
        return getattr(self.task, "size", None)

    @property
    def held_out_size(self) -> int | None:
        """How many are held out, where there are so many and no more."""
        return getattr(self.task, "held_out_size", None)

    @property
    def notes(self) -> tuple[str, ...]:
        return tuple(getattr(self.task, "notes", ()))

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """Raises ValueError where the inner task has no demonstrations."""
        if not callable(getattr(self.task, "demonstrate", None)):
            raise ValueError(f"task {self.name} has no `demonstrate`, from which sft learns")
        return self.task.demonstrate(problem, careful)

    def rule_of(self, problem: Problem) -> Rule | None:
        """What compares answers, several at a time, where the inner task tells it."""
        tell = getattr(self.task, "rule_of", None)
        return tell(problem) if callable(tell) else None

    def traits(self, reasoning: str | None) -> frozenset[str]:
        named = getattr(self.task, "traits", None)
        return frozenset(named(reasoning)) if callable(named) else frozenset()

    def close(self) -> None:
        if callable(close := getattr(self.task, "close", None)):
            close()

    def _pass_on(self, *methods: str) -> None:
        """Have these methods of the inner task, where it has all of them.

        They are set on the object, not looked for when they are called: whether a task replies or adapts is asked by
        what it has.
        """
        found = {method: getattr(self.task, method, None) for method in methods}
        if all(map(callable, found.values())):
            vars(self).update(found)
