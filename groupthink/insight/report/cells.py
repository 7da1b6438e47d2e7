"""Figures with their intervals, as people read them."""

from groupthink.insight.statistics import Estimate


def cell(figure: Estimate | None, share: bool = True) -> str:
    """A figure with its interval: [-] where all problems gave the same, of which resampling tells none.

    >>> cell(Estimate(0.625, 0.591, 0.658)), cell(Estimate(1.0, 1.0, 1.0)), cell(None)
    ('62.5 [59.1, 65.8]', '100.0 [-]', '-')
    """
    if figure is None:
        return "-"
    scale = 100 if share else 1
    mean, low, high = (f"{value * scale:.1f}" for value in (figure.mean, figure.low, figure.high))
    return f"{mean} [-]" if figure.low == figure.high else f"{mean} [{low}, {high}]"


def points(gain: Estimate) -> str:
    """A difference with its interval, in points.

    >>> points(Estimate(0.071, 0.049, 0.093))
    '+7.1 [+4.9, +9.3]'
    """
    mean, low, high = (f"{value * 100:+.1f}" for value in (gain.mean, gain.low, gain.high))
    return f"{mean} [{low}, {high}]"
