"""Which problems of a finite list come next: rather those that are solved neither always nor never.

A group in which all are right, or none is, teaches nothing, and with a pass rate p the variance within a group is
p (1 - p). That is "sampling for learnability" (arXiv 2502.12272).
"""

import math
import random
from collections.abc import Collection, Mapping
from typing import Any

PRIOR = 1.0  # right, and as many wrong, in every count: a problem never seen is at 1/2, and among the likeliest


class Sampler:
    """Keeps an estimate of the pass rate of each of `size` problems, and draws by it.

    A draw is a function of (seed, step, state) alone. `state()` is plain JSON, and `restore` takes it up to the bit.

    `floor`: how likely the least likely problem is beside the likeliest; above 0, so that none is forgotten.
    `memory`: how much of a problem's former count stays when it is seen again; the policy has moved on since.
    """

    def __init__(self, size: int, seed: int = 0, *, floor: float = 0.1, memory: float = 0.5):
        if size < 1:
            raise ValueError(f"a sampler over {size} problems: there must be at least 1")
        if not 0 < floor <= 1:
            raise ValueError(f"floor is {floor}: give a share above 0 (all problems come back) up to 1 (all alike)")
        if not 0 <= memory <= 1:
            raise ValueError(f"memory is {memory}: give a share from 0 (only the last group counts) to 1 (all do)")
        self.size = size
        self.seed = seed
        self.floor = floor
        self.memory = memory
        self._counts: dict[int, tuple[float, float]] = {}  # index -> responses that were right, and all of them

    def draw(self, step: int, n: int, taken: Collection[int] = ()) -> list[int]:
        """The indices of the `n` problems of a step, all different. Raises ValueError where there are fewer.

        Those `taken` come again only when there are no others left.

        Without replacement, by weight: each problem draws u from (0, 1], and those with the smallest -log(u) / weight
        are taken (Efraimidis and Spirakis 2006). The first is problem i with probability weight_i / sum of weights.
        """
        if n > self.size:
            raise ValueError(
                f"a step of {n} problems from a list of {self.size}: set task.problems_per_step to at most {self.size}"
            )
        uniform = random.Random(f"{self.seed}/sampler/{step}").random
        waits = [-math.log(1.0 - uniform()) / self.weight(index) for index in range(self.size)]
        return sorted(range(self.size), key=lambda index: (index in taken, waits[index]))[:n]

    def observe(self, index: int, right: int, responses: int) -> None:
        """Take in that `right` of the `responses` of a group solved problem `index`."""
        if not 0 <= index < self.size:
            raise ValueError(f"there is no problem {index}: indices run from 0 to {self.size - 1}")
        if not 0 <= right <= responses:
            raise ValueError(f"{right} of {responses} responses cannot be right")
        old_right, old_responses = self._counts.get(index, (0.0, 0.0))
        self._counts[index] = (self.memory * old_right + right, self.memory * old_responses + responses)

    def pass_rate(self, index: int) -> float:
        """p, the mean of Beta(right + 1, wrong + 1)."""
        right, responses = self._counts.get(index, (0.0, 0.0))
        return (right + PRIOR) / (responses + 2 * PRIOR)

    def weight(self, index: int) -> float:
        """How likely a problem is beside others: from `floor`, at a pass rate of 0 or 1, to 1 at 1/2."""
        p = self.pass_rate(index)
        return self.floor + (1 - self.floor) * 4 * p * (1 - p)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"size": self.size, "counts": {str(index): list(self._counts[index]) for index in sorted(self._counts)}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state()` gave. Raises ValueError where that was of another list of problems."""
        if state["size"] != self.size:
            raise ValueError(
                f"the checkpoint is of {state['size']} problems, and there are {self.size}: "
                "resume with the problems that the run began with"
            )
        self._counts = {int(index): (right, responses) for index, (right, responses) in state["counts"].items()}
