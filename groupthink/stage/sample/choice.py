"""From everything that was drawn, what is kept, and of the rest for which reason it is not.

A response is dropped for the first reason that holds: the filters of `filters.py` in their order; `contaminated`, its
problem shares words with a held-out one; `duplicate`, its problem and itself are nearly what is kept already;
`surplus`, `sample.keep` chains of its problem are kept. The last two look at what is kept so far: problems in the order
in which they were drawn, chains of one by their scores, then the shortest, then by seed.
"""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from groupthink.run.rollouts import prompt_text
from groupthink.stage.sample.candidates import Candidate
from groupthink.stage.sample.duplicates import Neighbours, fingerprint
from groupthink.stage.sample.filters import FILTERS, first_reason
from groupthink.stage.settings import SampleSettings

REASONS = (*(drops.__name__ for drops in FILTERS), "contaminated", "duplicate", "surplus")


@dataclass(frozen=True, slots=True)
class Chosen:
    """What became of everything that was drawn."""

    kept: list[Candidate]
    dropped: dict[str, int]  # how many for each of REASONS
    sampled: int
    right: int
    tokens: int  # of all that was drawn


def choose(
    by_problem: Iterable[Sequence[Candidate]], settings: SampleSettings, contaminated: Container[str] = ()
) -> Chosen:
    """`by_problem`: the responses to each problem. `contaminated`: the ids of problems none of whose chains is kept."""
    kept: list[Candidate] = []
    dropped: Counter[str] = Counter()
    seen, right, tokens = Neighbours(settings.similar), 0, 0
    for candidates in by_problem:
        right += sum(one.right is True for one in candidates)
        tokens += sum(one.tokens for one in candidates)
        before = len(kept)
        for one in sorted(candidates, key=lambda one: (-one.score, one.tokens, one.seed)):
            reason = first_reason(one, settings)
            if reason is None and one.problem.id in contaminated:
                reason = "contaminated"
            if reason is not None:
                dropped[reason] += 1
                continue
            its = fingerprint(f"{prompt_text(one.problem)}\n{one.text}")
            if seen.near(its):
                dropped["duplicate"] += 1
            elif settings.keep and len(kept) - before == settings.keep:
                dropped["surplus"] += 1
            else:
                seen.add(its)
                kept.append(one)
    counts = {reason: dropped[reason] for reason in REASONS}
    return Chosen(kept, counts, len(kept) + sum(counts.values()), right, tokens)
