"""Problems with answers that nobody labelled: each is a function of (seed, index)."""

from collections.abc import Callable
from typing import Protocol

from groupthink.nearest import nearest
from groupthink.records import Problem
from groupthink.task.arithmetic import Arithmetic
from groupthink.task.quadratics import Quadratics
from groupthink.task.verdict import Verdict


class Task(Protocol):
    """A family of problems, and the rule that checks their answers. One of several turns is `Replying`, too."""

    name: str

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step."""
        ...

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees."""
        ...

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """A worked solution `<think>reasoning</think>answer`; where not `careful`, as a base model's data would be."""
        ...

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """Whether `text` states the answer; `lenient` takes the last one found anywhere in it."""
        ...

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """What a chain's reasoning does, by name (a method, checking, going back); empty where there are no names."""
        ...


def _quadratics(seed: int, split: str) -> Task:
    if split == "held_out":
        return Quadratics(seed)
    if split == "beyond":
        return Quadratics(seed, "beyond")
    raise ValueError(f"quadratics has no split {split!r}: choose held_out or beyond")


def _arithmetic(seed: int, split: str) -> Task:
    if split != "held_out":
        raise ValueError(f"arithmetic has no split {split!r}: choose held_out")
    return Arithmetic(seed)


TASKS: dict[str, Callable[[int, str], Task]] = {"quadratics": _quadratics, "arithmetic": _arithmetic}


def open_task(name: str, seed: int = 0, split: str = "held_out") -> Task:
    """The task called `name`, its `held_out` drawing from `split`.

    Raises ValueError for a name or a split that is not there.
    """
    if name not in TASKS:
        known = ", ".join(TASKS)
        raise ValueError(f"no task is called {name!r}: did you mean {nearest(name, TASKS)}? (there are: {known})")
    return TASKS[name](seed, split)
