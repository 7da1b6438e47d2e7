import math

import pytest

from groupthink.policy.guard import Guard


def test_updates_that_are_not_finite_are_counted():
    guard = Guard()
    allowed = [
        guard.allows(loss, norm, str) for loss, norm in [(1.0, 1.0), (math.nan, 1.0), (1.0, math.inf), (1.0, 1.0)]
    ]
    assert allowed == [True, False, False, True]
    assert (guard.skipped, guard.in_a_row) == (2, 0)


def test_the_third_in_a_row_stops_the_run():
    guard = Guard(skipped=7, in_a_row=2)
    with pytest.raises(FloatingPointError, match=r"It was me\. .* lower policy.learning_rate"):
        guard.allows(math.nan, 1.0, lambda: "It was me.")
