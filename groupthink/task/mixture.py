"""Several tasks as one: each gives its share of the problems, evenly spread over a run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from groupthink.records import Group, Problem
from groupthink.task.adaptive import Adaptive
from groupthink.task.answer import Rule
from groupthink.task.reply import Replying, Said
from groupthink.task.scoring import Assessment, assess
from groupthink.task.verdict import Verdict

if TYPE_CHECKING:
    from groupthink.task import Task


class Mixture:
    """The problems of `tasks`, `shares` of each. A task's own problems come in its own order, none left out."""

    name = "mixture"

    def __init__(self, tasks: "Sequence[Task]", shares: Sequence[float]):
        self.tasks = {task.name: task for task in tasks}
        assert len(self.tasks) == len(tasks) == len(shares), "the settings refuse a task that is named twice"
        self._shares = [share / sum(shares) for share in shares]
        self._turns: list[tuple[int, int]] = []  # for each index so far: whose problem, and that task's own index
        self._given: Counter[int] = Counter()  # how many of each task those are
        self.notes = tuple(note for task in tasks for note in getattr(task, "notes", ()))

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step."""
        members = list(self.tasks.values())
        self._extend((step + 1) * n)
        return [members[whose].sample(index, 1)[0] for whose, index in self._turns[step * n : (step + 1) * n]]

    def expect(self, indices: Sequence[int]) -> None:
        """These training problems are asked for next: each task that would know is told which ones of its own."""
        self._extend(max(indices, default=-1) + 1)
        turns = [self._turns[index] for index in indices]
        for whose, task in enumerate(self.tasks.values()):
            if callable(expect := getattr(task, "expect", None)):
                expect([index for which, index in turns if which == whose])

    def held_out(self, n: int) -> list[Problem]:
        """`n` held-out problems, or fewer where a task has fewer than its share."""
        self._extend(n)
        wanted = Counter(whose for whose, _ in self._turns[:n])
        held = [task.held_out(wanted[whose]) if wanted[whose] else [] for whose, task in enumerate(self.tasks.values())]
        return [held[whose][index] for whose, index in self._turns[:n] if index < len(held[whose])]

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        return self._of(problem).demonstrate(problem, careful)

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        return self._of(problem).verify(problem, text, lenient)

    def rule_of(self, problem: Problem) -> Rule | None:
        """What compares answers, several at a time, where the problem's task tells it."""
        tell = getattr(self._of(problem), "rule_of", None)
        return tell(problem) if tell is not None else None

    def assess(self, groups: Sequence[Group], opening: str = "") -> list[list[Assessment] | None]:
        """What each problem's task says of whole responses, where it scores them."""
        told: list[list[Assessment] | None] = [None for _ in groups]
        for name, task in self.tasks.items():
            places = [place for place, group in enumerate(groups) if group.problem.task == name]
            for place, found in zip(places, assess(task, [groups[place] for place in places], opening), strict=True):
                told[place] = found
        return told

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """What any of the tasks has a name for."""
        return frozenset().union(*(task.traits(reasoning) for task in self.tasks.values()))

    def observe(self, problem: Problem, right: int, responses: int) -> None:
        if isinstance(task := self._of(problem), Adaptive):
            task.observe(problem, right, responses)

    def state(self) -> dict[str, Any]:
        return {name: task.state() for name, task in self.tasks.items() if isinstance(task, Adaptive)}

    def restore(self, state: Mapping[str, Any]) -> None:
        for name, task in self.tasks.items():
            if isinstance(task, Adaptive):
                task.restore(state[name])

    def close(self) -> None:
        for task in self.tasks.values():
            if close := getattr(task, "close", None):
                close()

    def _of(self, problem: Problem) -> "Task":
        return self.tasks[problem.task]

    def _extend(self, length: int) -> None:
        """Whose turn it is: the task's that lies furthest behind its share, the first of equals."""
        while len(self._turns) < length:
            due = len(self._turns) + 1
            behind = [share * due - self._given[whose] for whose, share in enumerate(self._shares)]
            whose = behind.index(max(behind))
            self._turns.append((whose, self._given[whose]))
            self._given[whose] += 1


class ReplyingMixture(Mixture):
    """One in which at least one task replies to what the policy wrote."""

    def reply(self, problem: Problem, turns: Sequence[str]) -> Said | None:
        task = self._of(problem)
        return task.reply(problem, turns) if isinstance(task, Replying) else None


def mix_tasks(tasks: "Sequence[Task]", shares: Sequence[float] = ()) -> Mixture:
    """The mixture of `tasks`; without `shares`, the same of all."""
    kind = ReplyingMixture if any(isinstance(task, Replying) for task in tasks) else Mixture
    return kind(tasks, shares or [1.0] * len(tasks))
