"""The table [task] of a recipe."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Which problems are worked on, and how many at a time."""

    name: str = "quadratics"
    problems_per_step: int = 16  # problems
    split: str = "held_out"  # what evaluations draw from: held_out, or beyond (larger than any in training)

    def __post_init__(self) -> None:
        if self.problems_per_step < 1:
            raise ValueError(f"task.problems_per_step is {self.problems_per_step}: a step needs at least 1 problem")
        if self.split not in ("held_out", "beyond"):
            raise ValueError(f"task.split is {self.split!r}: choose held_out or beyond")
