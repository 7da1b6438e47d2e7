"""Problems that there are so many of, and no more: rows of a data set, or of an environment."""

import random
from collections.abc import Callable, Sequence
from typing import Any

from groupthink.records import Problem
from groupthink.task.mixture import Mixture


class Finite:
    """What such a task makes of its problems. Training ones come in epochs, each in an order of its own: problem i is
    a function of (seed, i).
    """

    name: str
    seed: int
    _train: Sequence[Problem]
    _held: Sequence[Problem]
    _order: tuple[int, list[int]] = (-1, [])  # an epoch, and the places of its problems

    @property
    def size(self) -> int:
        """How many problems there are to train on."""
        return len(self._train)

    @property
    def held_out_size(self) -> int:
        """How many are held out."""
        return len(self._held)

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step: every problem once, in a shuffled order, before any comes again."""
        return [self._train[self._place(index)] for index in range(step * n, (step + 1) * n)]

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees, or all where there are fewer."""
        return list(self._held[:n])

    def keep(self, fits: Callable[[Problem], bool], why: str) -> list[str]:
        """Leave out problems that do not fit, and give their ids. Raises ValueError where none is left."""
        every = (*self._train, *self._held)
        train, held = (tuple(filter(fits, problems)) for problems in (self._train, self._held))
        if not train or not held:
            raise ValueError(f"no problem of {self.name} is left to {'train on' if not train else 'hold out'}: {why}")
        left = {problem.id for problem in train + held}
        self._train, self._held, self._order = train, held, (-1, [])
        return [problem.id for problem in every if problem.id not in left]

    def _place(self, index: int) -> int:
        epoch, place = divmod(index, len(self._train))
        if self._order[0] != epoch:
            order = list(range(len(self._train)))
            random.Random(f"{self.seed}/{self.name}/{epoch}").shuffle(order)
            self._order = (epoch, order)
        return self._order[1][place]


def every_held_out(task: Any, least: int) -> list[Problem]:
    """All held-out problems where there are so many and no more; of a task that makes them, `least`.

    So it is for each task of a mixture.
    """
    if isinstance(task, Mixture):
        return [problem for one in task.tasks.values() for problem in every_held_out(one, least)]
    return task.held_out(max(least, getattr(task, "held_out_size", None) or 0))
