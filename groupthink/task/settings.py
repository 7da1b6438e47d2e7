"""The table [task] of a recipe."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Which problems are worked on, and how many at a time."""

    name: str = "quadratics"
    problems_per_step: int = 16  # problems
    rounds: int = 1  # of problems drawn for a step, until enough of its groups teach something; 1: as they come
    pool: int = (
        0  # problems that a run goes round in, preferring those solved neither always nor never; 0: ever new ones
    )
    split: str = "held_out"  # what evaluations draw from: held_out, or beyond (larger than any in training)

    def __post_init__(self) -> None:
        if self.problems_per_step < 1:
            raise ValueError(f"task.problems_per_step is {self.problems_per_step}: a step needs at least 1 problem")
        if self.rounds < 1:
            raise ValueError(f"task.rounds is {self.rounds}: problems are drawn at least once")
        if self.pool and self.pool < self.problems_per_step:
            raise ValueError(
                f"task.pool is {self.pool}: take at least task.problems_per_step={self.problems_per_step}, or 0"
            )
        if self.split not in ("held_out", "beyond"):
            raise ValueError(f"task.split is {self.split!r}: choose held_out or beyond")
