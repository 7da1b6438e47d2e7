import numpy as np
import pytest

from groupthink.advantage import (
    ESTIMATORS,
    AdvantageSettings,
    advantage,
    center,
    count_dead,
    leave_one_out,
    rank,
    standardize,
)
from groupthink.records import Score

ONE = np.ones(1)
SEED = np.array([[1.0, 0.8, 0.2]])[:, :, None]
FIRST = np.array([[1.0, 0.0, 0.0]])[:, :, None]  # on SEED, leave_one_out and MaxRL agree by chance


@pytest.mark.parametrize(
    ("estimator", "rewards_PGK", "expected"),
    [
        (center, SEED, [1 / 3, 2 / 15, -7 / 15]),
        (center, FIRST, [2 / 3, -1 / 3, -1 / 3]),
        (leave_one_out, SEED, [0.5, 0.2, -0.7]),
        (leave_one_out, FIRST, [1.0, -0.5, -0.5]),
        (rank, SEED, [0.5, 0.0, -0.5]),
        (rank, FIRST, [0.5, -0.25, -0.25]),
    ],
)
def test_worked_tables(estimator, rewards_PGK, expected):
    np.testing.assert_allclose(estimator(rewards_PGK, ONE)[0], expected, rtol=0, atol=1e-12)


def test_standardize_follows_trl():
    np.testing.assert_allclose(standardize(SEED, ONE)[0], [0.8004, 0.3202, -1.1206], rtol=0, atol=5e-5)
    np.testing.assert_allclose(
        standardize(FIRST, ONE)[0], np.array([2, -1, -1]) / 3 / (1 / 3**0.5 + 1e-4), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("estimator", ESTIMATORS.values())
def test_every_estimator_is_zero_exactly_where_rewards_are_equal(estimator):
    rewards_PGK = np.full((2, 3, 1), 0.2)  # (0.2 + 0.2 + 0.2) / 3 is not 0.2
    rewards_PGK[1, 0] = 0.8
    advantages_PG = estimator(rewards_PGK, ONE)
    assert (advantages_PG[0] == 0).all() and (advantages_PG[1] != 0).all()
    assert count_dead(advantages_PG) == 1


@pytest.mark.parametrize("estimator", ESTIMATORS.values())
def test_every_estimator_sums_to_zero_and_keeps_the_order(estimator):
    rewards_PGK = np.random.default_rng(0).random((5, 8, 1))
    advantages_PG = estimator(rewards_PGK, ONE)
    np.testing.assert_allclose(advantages_PG.sum(axis=1), 0, atol=1e-12)
    assert (advantages_PG.argsort(axis=1) == rewards_PGK[:, :, 0].argsort(axis=1)).all()


def test_parts_are_weighed_and_absent_ones_left_out():
    rewards_PGK = np.array([[[1.0, 1.0], [1.0, np.nan], [0.0, 0.5]]])
    weights_K = np.array([0.6, 0.4])  # totals 1.0, 0.6, 0.2
    np.testing.assert_allclose(center(rewards_PGK, weights_K), [[0.4, 0.0, -0.4]], atol=1e-12)


@pytest.mark.parametrize("estimator", ESTIMATORS.values())
def test_a_group_of_one_is_refused(estimator):
    with pytest.raises(ValueError, match=r"set rollout.group_size to at least 2"):
        estimator(np.ones((4, 1, 1)), ONE)


def test_advantage_compares_the_values_of_scores():
    scores = [[Score(value, {}) for value in (1.0, 0.8, 0.2)], [Score(0.2, {})] * 3]
    found = advantage(scores, AdvantageSettings())
    np.testing.assert_allclose(found, [[1 / 3, 2 / 15, -7 / 15], [0, 0, 0]], atol=1e-12)
    ranked = advantage(scores, AdvantageSettings(estimator="rank"))
    np.testing.assert_allclose(ranked, [[0.5, 0, -0.5], [0, 0, 0]], atol=1e-12)


def test_groups_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in size"):
        advantage([[Score(1.0, {})] * 2, [Score(1.0, {})] * 3], AdvantageSettings())


def test_an_unknown_estimator_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match=r"advantage.estimator.*center, standardize, leave_one_out, rank"):
        AdvantageSettings(estimator="centre")
