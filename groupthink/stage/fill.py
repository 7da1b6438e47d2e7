"""Dynamic sampling: problems are drawn until a step has its fill of groups that teach something.

A group of equal rewards has no gradient, and as the policy learns more groups become so: what a step learns
from shrinks. DAPO (arXiv 2503.14476, section 3.2, equation 11) passes them over and draws on. `task.rounds` says how
often at most; 1 is a step without dynamic sampling.
"""

from collections.abc import Callable, Sequence
from math import ceil

from groupthink.records import Group, Score

Scores = list[list[Score]]


class Filling:
    """The groups of one step while they are gathered.

        filling = Filling(step, wanted=16, rounds=3, telling=...)
        while filling.missing:
            groups = ...                    # for the first `filling.missing` problems of turn `filling.turn`
            filling.add(groups, scores)
        groups, scores = filling.kept()

    Round r of a step is turn `step * rounds + r`, so that no two rounds of a run share one: where problems and seeds
    are functions of the turn, in place of the step, everything drawn is a function of (seed, step, r). The first
    round draws `wanted` problems; a later one as many as are likely to make up what is missing, by the share that
    taught something so far, and never more than `wanted`.

    `telling` says of each group whether it teaches something. Rewards are to be as judged: with a penalty that differs
    by response, such as KL, every group would seem to.
    """

    def __init__(self, step: int, *, wanted: int, rounds: int, telling: Callable[[Scores], Sequence[bool]]):
        if wanted < 1 or rounds < 1:
            raise ValueError(f"{wanted} groups from {rounds} rounds: ask for at least 1 of each")
        self.step, self.wanted, self.rounds, self.telling = step, wanted, rounds, telling
        self.done = 0  # rounds so far
        self.groups: list[Group] = []
        self.scores: Scores = []
        self.tells: list[bool] = []

    @property
    def turn(self) -> int:
        """The number of the round that is to be drawn, over the whole run."""
        return self.step * self.rounds + self.done

    @property
    def missing(self) -> int:
        """How many problems to draw now; 0 where the step has its fill, or its rounds are used up."""
        alive = sum(self.tells)
        if alive >= self.wanted or self.done == self.rounds:
            return 0
        if not alive:
            return self.wanted
        return min(ceil((self.wanted - alive) * len(self.tells) / alive), self.wanted)

    def add(self, groups: Sequence[Group], scores: Scores) -> None:
        """What a round gave."""
        self.groups += groups
        self.scores += scores
        self.tells += self.telling(scores)
        self.done += 1

    def kept(self) -> tuple[list[Group], Scores]:
        """`wanted` groups and their scores in the order in which they were drawn; if too few tell, others join them."""
        places = self._places()
        return [self.groups[place] for place in places], [self.scores[place] for place in places]

    def figures(self) -> dict[str, float]:
        """For a step's metrics."""
        return {
            "problems/rounds": float(self.done),
            "problems/dead": float(sum(not self.tells[place] for place in self._places())),
            "problems/thrown_away": float(len(self.groups) - self.wanted),
        }

    def _places(self) -> list[int]:
        assert len(self.groups) >= self.wanted, "a round gives a group for each problem that was missing"
        telling_first = sorted(range(len(self.groups)), key=lambda place: not self.tells[place])
        return sorted(telling_first[: self.wanted])
