"""The figures of a run so far, as its health is read from them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from groupthink.recipe import Recipe

WINDOW = 8
"""Steps whose mean counts as how things are; as many from the first on, as how they were."""


@dataclass(frozen=True, slots=True)
class History:
    """A line of figures for each step, by the names of metrics.jsonl."""

    recipe: Recipe
    lines: Sequence[Mapping[str, float]]

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def step(self) -> int:
        """The last step."""
        return int(self.lines[-1]["step"])

    def values(self, name: str) -> list[float]:
        """A figure of each step that has it; what was no number (null in the file) is none."""
        found = (line.get(name) for line in self.lines)
        return [value for value in found if value is not None and math.isfinite(value)]

    def early(self, name: str) -> float | None:
        """Its mean over the first steps; None where no step has it."""
        return mean(self.values(name)[:WINDOW])

    def recent(self, name: str) -> float | None:
        """Its mean over the last steps; None where no step has it."""
        return mean(self.values(name)[-WINDOW:])

    @property
    def apart(self) -> bool:
        """Whether the last steps are others than the first, so that the two can be compared."""
        return len(self.lines) >= 2 * WINDOW

    @property
    def learns_accuracy(self) -> bool:
        """Whether the share of right answers now and at first says what was learned: it is paid for, and problems are
        not chosen by it.
        """
        task = self.recipe.task
        chosen = task.rounds > 1 or task.pool or task.raise_at
        return self.apart and bool(self.recipe.reward.accuracy) and not chosen


def mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
