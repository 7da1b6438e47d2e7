"""Which stages are compared: each with what its model comes from, and the last with all."""

from collections.abc import Iterator, Sequence

from groupthink.insight.paired import difference
from groupthink.insight.report.records import BASE, Difference, Stage


def differences(stages: Sequence[Stage], begun_with: Sequence[int | None]) -> list[Difference]:
    """Those of `pairs` that were asked the same problems."""
    found = []
    for later, earlier in pairs(stages, begun_with):
        one, other = stages[later], stages[earlier]
        if one.evaluated and other.evaluated:
            right, before = one.evaluated.right, other.evaluated.right
            if gain := difference(right, before):
                found.append(Difference(one.name, other.name, gain, len(right.keys() & before.keys())))
    return found


def pairs(stages: Sequence[Stage], begun_with: Sequence[int | None]) -> list[tuple[int, int]]:
    """The places of rows to compare, the later one first, in order: each stage that was evaluated over the nearest one
    from which its model comes and over the base behind them, and the last over all before it.

    `begun_with`: for each row the place of that whose model it began with; None where it is of elsewhere.
    """
    known = [place for place, stage in enumerate(stages) if stage.evaluated]
    learned = [place for place in known if stages[place].kind != BASE]
    wanted = []
    for later in learned:
        line = [place for place in _line(later, begun_with) if stages[place].evaluated]
        earlier = {*line[:1], *(place for place in line if stages[place].kind == BASE)}
        if later == learned[-1]:
            earlier |= {place for place in known if place < later}
        wanted += [(later, place) for place in sorted(earlier)]
    return wanted


def _line(place: int, begun_with: Sequence[int | None]) -> Iterator[int]:
    """The rows that a model goes back to, the nearest first."""
    before = begun_with[place]
    while before is not None:
        yield before
        before = begun_with[before]
