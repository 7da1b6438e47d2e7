"""Figures of an evaluation of two problems, worked out by hand."""

import numpy as np
import pytest

from groupthink.insight.paired import difference, rates
from groupthink.insight.report.figures import figures_of, traits_of
from groupthink.insight.statistics import interval, pass_at_k


def row(problem: str, right: bool | None, extracted: str = "x=1", **more: object) -> dict:
    plain = {"kind": "sampled", "prompt": f"Solve {problem}", "lenient": right, "length": 10, "finish": "stop"}
    return plain | {"problem": problem, "right": right, "extracted": extracted, "formed": True, "traits": []} | more


ROWS = [
    row("a", True, "x=2", traits=["checks"]),
    row("a", False, "x=3", lenient=True, formed=False, length=20),
    row("a", False, "x=3"),
    row("b", False, traits=["formula"]),
    row("b", False, finish="length", formed=False),
    row("b", True, "x=4"),
    row("a", True, kind="greedy"),
    row("b", False, kind="greedy"),
    row("a", True, kind="cool"),
]
RIGHT_PC = np.array([[1, 0, 0], [0, 0, 1]])


def test_each_is_a_mean_over_problems():
    found = figures_of(ROWS, k=3)
    means = {name: figure.mean for name, figure in found.items() if figure}
    assert means == pytest.approx(
        {
            **{"pass@1": 1 / 3, "lenient": (2 / 3 + 1 / 3) / 2, "greedy": 0.5, "maj@k": 0.0, "pass@k": 1.0},
            **{"length": (40 / 3 + 10) / 2, "format": 2 / 3, "truncated": 1 / 6},
            **{"self_checking": 1 / 6, "self_correction": 0.0},
        }
    )
    assert found["pass@k"].mean == pass_at_k(RIGHT_PC, 3)


def test_intervals_resample_problems():
    found = figures_of(ROWS, k=3)["greedy"]
    assert (found.low, found.high) == interval(np.array([1.0, 0.0]))


def test_k_takes_the_first_samples_of_each():
    found = figures_of(ROWS, k=2)
    assert found["pass@k"].mean == 0.5  # b's right one comes third
    assert found["maj@k"].mean == 0.5  # of a's first two, which differ, the first


def test_what_nobody_knows_is_none_and_not_0():
    found = figures_of([row("a", None, formed=None), row("b", None, formed=None)], k=1)
    assert {name for name, figure in found.items() if figure is None} == {
        *("pass@1", "lenient", "greedy", "maj@k", "pass@k", "format", "self_checking", "self_correction")
    }


def test_rows_of_before_their_form_was_kept_have_no_share_in_form():
    old = [{key: value for key, value in one.items() if key != "formed"} for one in ROWS]
    assert figures_of(old, k=3)["format"] is None


def test_traits_are_shares_of_responses():
    assert {name: share.mean for name, share in traits_of(ROWS).items()} == pytest.approx(
        {"checks": 1 / 6, "formula": 1 / 6, "goes back": 0}
    )
    assert traits_of([row("a", True)]) == {}


def test_problems_of_one_id_in_other_words_are_two():
    rows = [row("a", True), row("a", True), row("a", False) | {"prompt": "Solve something else"}]
    assert figures_of(rows, k=1)["pass@1"].mean == 0.5


def test_only_what_was_asked_of_both_is_compared():
    """A problem of one id in other words is another problem."""
    later = [row("a", True), row("b", True), row("c", True)]
    earlier = [row("a", False), row("b", True) | {"prompt": "Solve something else"}, row("d", False)]
    found = difference(rates(later, "sampled"), rates(earlier, "sampled"))
    assert found is not None and (found.mean, found.low, found.high) == (1, 1, 1)
    assert difference(rates(later[2:], "sampled"), rates(earlier, "sampled")) is None
