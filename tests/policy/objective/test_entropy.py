import pytest

from groupthink.policy.objective.entropy import applied_bonus, next_bonus


def test_a_bonus_rises_at_the_target_and_below_and_falls_above_within_zero_and_one():
    steering = {"target": 0.2, "step": 0.005}
    assert next_bonus(0.01, 0.1, **steering) == pytest.approx(0.015)
    assert next_bonus(0.01, 0.2, **steering) == pytest.approx(0.015)
    assert next_bonus(0.01, 0.3, **steering) == pytest.approx(0.005)
    assert next_bonus(0.0, 0.3, **steering) == 0
    assert next_bonus(1.0, 0.1, **steering) == 1


def test_a_fixed_bonus_stays_and_always_counts():
    assert next_bonus(0.01, 0.1, target=0.2, step=0) == 0.01
    assert applied_bonus(0.01, 9.0, target=0.2, step=0) == 0.01


def test_a_steered_bonus_counts_only_where_entropy_is_wanted():
    assert applied_bonus(0.01, 0.1, target=0.2, step=0.005) == 0.01
    assert applied_bonus(0.01, 0.3, target=0.2, step=0.005) == 0
