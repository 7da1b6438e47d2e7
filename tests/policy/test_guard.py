import math

import pytest

from groupthink.policy.guard import Guard


def test_updates_that_are_not_finite_are_counted():
    guard, allowed = Guard(), []
    for loss, norm in [(1.0, 1.0), (math.nan, 1.0), (1.0, math.inf), (1.0, 1.0)]:
        guard.next_batch()
        allowed.append(guard.allows(loss, norm, str))
    assert allowed == [True, False, False, True]
    guard.next_batch()
    assert (guard.skipped, guard.in_a_row) == (2, 0)


def test_no_update_is_made_after_the_third_in_a_row():
    guard = Guard(skipped=7, in_a_row=2)
    guard.require_hope()
    assert not guard.allows(math.nan, 1.0, lambda: "It was me.")
    assert not guard.allows(1.0, 1.0, lambda: "It was another.")
    with pytest.raises(FloatingPointError, match=r"^an update .* 3 batches in a row had a loss of nan .* It was me\.$"):
        guard.require_hope()


def test_one_batch_counts_once_however_many_updates_it_makes():
    guard = Guard()
    for _ in range(2):
        guard.next_batch()
        assert [guard.allows(math.nan, 1.0, str) for _ in range(4)] == [False] * 4
    assert (guard.skipped, guard.in_a_row) == (8, 2)
    guard.require_hope()
    guard.next_batch()
    guard.allows(math.nan, 1.0, str)
    with pytest.raises(FloatingPointError):
        guard.require_hope()


def test_a_batch_that_keeps_one_bad_update_among_good_ones_ends_the_run_as_well():
    guard = Guard()
    for _ in range(3):
        guard.require_hope()
        guard.next_batch()
        allowed = [guard.allows(loss, 1.0, lambda: "It was me.") for loss in (1.0, math.nan, 1.0)]
    assert allowed == [True, False, False] and guard.skipped == 4
    with pytest.raises(FloatingPointError, match="It was me"):
        guard.require_hope()
