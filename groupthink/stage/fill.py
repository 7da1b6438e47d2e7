"""Dynamic sampling: problems are drawn until a step has its fill of groups that teach something.

A group of equal rewards has no gradient, and as the policy learns more groups become so: what a step learns
from shrinks. DAPO (arXiv 2503.14476, section 3.2, equation 11) passes them over and draws on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil

from groupthink.records import Group, Score

Scores = list[list[Score]]
Attempt = Callable[[int, int], tuple[list[Group], Scores]]
"""(turn, n) -> a group and its scores for each of the first `n` problems of `turn`."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What a step is given: as many groups as were wanted, those that teach something first, as they were drawn."""

    groups: list[Group]
    scores: Scores
    rounds: int  # how often problems were drawn
    dead: int  # of `groups`, how many teach nothing: no more were found within the rounds allowed
    thrown_away: int  # groups that were generated and are not here

    @property
    def figures(self) -> dict[str, float]:
        """For a step's metrics."""
        return {"problems/rounds": float(self.rounds), "problems/thrown_away": float(self.thrown_away)}


def fill(
    attempt: Attempt,
    step: int,
    *,
    wanted: int,
    rounds: int,
    telling: Callable[[Scores], Sequence[bool]],
) -> Filled:
    """`wanted` groups that teach something, from at most `rounds` draws, or topped up with groups that do not.

    Round r of a step is turn `step * rounds + r`, so that no two rounds of a run share one: where problems and seeds
    are functions of the turn, in place of the step, everything drawn is a function of (seed, step, r), and one round
    is a step without dynamic sampling. The first draws `wanted` problems; a later one as many as are likely to make
    up what is missing, by the share that taught something so far, and never more than `wanted`.

    `telling` says of each group whether it teaches something. Rewards are to be as judged: with a penalty that differs
    by response, such as KL, every group would seem to.
    """
    if wanted < 1 or rounds < 1:
        raise ValueError(f"{wanted} groups from {rounds} rounds: ask for at least 1 of each")
    alive: list[tuple[Group, list[Score]]] = []
    dead: list[tuple[Group, list[Score]]] = []
    done = 0
    while len(alive) < wanted and done < rounds:
        groups, scores = attempt(step * rounds + done, _likely_enough(wanted, len(alive), len(dead)))
        for group, group_scores, tells in zip(groups, scores, telling(scores), strict=True):
            (alive if tells else dead).append((group, group_scores))
        done += 1
    assert len(alive) + len(dead) >= wanted, "an attempt at n problems gives n groups"
    kept = (alive + dead)[:wanted]
    return Filled(
        groups=[group for group, _ in kept],
        scores=[group_scores for _, group_scores in kept],
        rounds=done,
        dead=max(wanted - len(alive), 0),
        thrown_away=len(alive) + len(dead) - wanted,
    )


def _likely_enough(wanted: int, alive: int, dead: int) -> int:
    """How many problems to draw, where `alive` of `alive + dead` groups taught something."""
    return min(ceil((wanted - alive) * (alive + dead) / alive), wanted) if alive else wanted
