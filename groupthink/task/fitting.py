"""The problems of a task that fit, where others are too long for the model: for tasks that know nothing of models."""

from collections.abc import Callable

from groupthink.records import Problem

Fits = Callable[[Problem], bool]

TRIES = 200
"""Problems that are looked at, one after the other, for one that fits."""


class FittingProblems:
    """Of the problems that `make(index)` gives, those that fit: `at(number)` is a function of the number alone.

    With a `size`, the indices from 0 are epochs of so many problems, and what does not fit is left out of each.
    Without, there is no end of them, and in place of one that does not fit stands the next one that does.
    """

    def __init__(self, name: str, make: Callable[[int], Problem], fits: Fits, size: int | None):
        self.name, self.make, self.fits, self.size = name, make, fits, size
        self.left_out = [problem.id for problem in map(make, range(size or 0)) if not fits(problem)]
        self._epoch: tuple[int, list[int]] = (-1, [])  # its number, and the indices of its problems that fit

    def __len__(self) -> int:
        """How many are left of a finite task's."""
        return (self.size or 0) - len(self.left_out)

    def at(self, number: int) -> Problem:
        """The problem of this number. Raises ValueError where none fits."""
        index = self._in_epoch(*divmod(number, len(self))) if self.left_out else number
        for later in range(index, index + TRIES):
            problem = self.make(later)
            if self.fits(problem):
                return problem
        raise ValueError(
            f"task {self.name}: {TRIES} problems in a row, from number {index} on, are too long for the model"
        )

    def _in_epoch(self, epoch: int, place: int) -> int:
        """The index of a problem that fits; an epoch may have an order of its own, and is looked through once."""
        assert self.size is not None, "something was left out"
        if self._epoch[0] != epoch:
            indices = range(epoch * self.size, (epoch + 1) * self.size)
            self._epoch = (epoch, [index for index in indices if self.fits(self.make(index))])
        fitting = self._epoch[1]
        return fitting[place % len(fitting)] if fitting else epoch * self.size
