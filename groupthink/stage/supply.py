"""Where a step's problems come from: ever new ones, or a pool that the run goes round in."""

import json
from collections.abc import Sequence
from pathlib import Path

from groupthink.recipe import Recipe
from groupthink.records import Group, Problem, Score
from groupthink.task import Task
from groupthink.task.adaptive import Adaptive
from groupthink.task.sampler import Sampler

STATE = "sampler.json"
"""In a checkpoint: how often each problem of a pool was solved."""

TASK_STATE = "task.json"
"""In a checkpoint: the state of a task whose problems follow from how earlier ones went."""

FORETOLD = 32
"""Steps after the one that is drawn for, whose problems a task is told of."""


class Supply:
    """The training problems of a run. What a turn draws depends on (seed, turn), and on what pool and task saw."""

    def __init__(self, task: Task, recipe: Recipe):
        self.task = task
        size = getattr(task, "size", None)  # of a finite task
        if size is not None and recipe.task.pool > size:
            raise ValueError(
                f"task.pool is {recipe.task.pool}, and {task.name} has {size} problems: take at most so many"
            )
        self.per_step, self.rounds = recipe.task.problems_per_step, recipe.task.rounds
        self.sampler = Sampler(recipe.task.pool, recipe.seed) if recipe.task.pool else None
        self.observed = 0  # steps of which it has taken in responses, one perhaps in part
        self._taken: set[int] = set()  # places of the pool that this step has drawn
        self._places: dict[str, int] = {}  # of the pool's problems that were drawn, by their ids

    def draw(self, turn: int, n: int) -> list[Problem]:
        """The `n` problems of a turn: of a step, or of a step's further round."""
        if self.sampler is None:
            self._foretell(turn)
            # A turn's problems are numbered by how many a step has: with fewer, turns would share some.
            return self.task.sample(turn, self.per_step)[:n]
        if turn % self.rounds == 0:  # a step's first round
            self._taken = set()
        problems = []
        places = self.sampler.draw(turn, n, self._taken)
        self._expect(places)
        for place in places:
            self._taken.add(place)
            (problem,) = self.task.sample(place, 1)
            self._places[problem.id] = place
            problems.append(problem)
        return problems

    def _foretell(self, turn: int) -> None:
        """Tell the task of this turn and the next steps' first rounds: whether they need further ones, nobody knows."""
        following = turn - turn % self.rounds + self.rounds
        turns = (turn, *range(following, following + FORETOLD * self.rounds, self.rounds))
        self._expect([turn * self.per_step + j for turn in turns for j in range(self.per_step)])

    def _expect(self, indices: list[int]) -> None:
        """Tell a task that makes problems ahead which ones it is asked for next."""
        if callable(expect := getattr(self.task, "expect", None)):
            expect(indices)

    def observe(self, step: int, groups: Sequence[Group], scores: Sequence[Sequence[Score]]) -> None:
        """Take in how often each problem of a step was solved; a pool prefers those solved neither always nor never.

        (Problems of which nobody knows how often tell nothing.)
        """
        self.observed = step + 1
        for group, row in zip(groups, scores, strict=True):
            if all(score.parts.get("accuracy") is None for score in row):
                continue
            right = sum(score.parts.get("accuracy") == 1 for score in row)
            if self.sampler is not None:
                self.sampler.observe(self._places[group.problem.id], right, len(row))
            if isinstance(self.task, Adaptive):
                self.task.observe(group.problem, right, len(row))

    def save(self, folder: Path) -> None:
        if self.sampler is not None:
            state = {**self.sampler.state(), "places": self._places}
            (folder / STATE).write_text(json.dumps(state) + "\n")
        if isinstance(self.task, Adaptive):
            (folder / TASK_STATE).write_text(json.dumps(self.task.state()) + "\n")

    def restore(self, folder: Path) -> None:
        if self.sampler is not None:
            state = json.loads((folder / STATE).read_text())
            self.sampler.restore(state)
            self._places = state.get("places", {})  # a run that began before any could be ahead has none
        if isinstance(self.task, Adaptive):
            self.task.restore(json.loads((folder / TASK_STATE).read_text()))
