from itertools import combinations

import numpy as np
import pytest

from groupthink.advantage import center, leave_one_out, maxrl, pass_at_k, rank, standardize

ESTIMATORS = (center, standardize, leave_one_out, rank, maxrl, pass_at_k)
ONE = np.ones(1)
SEED = np.array([[1.0, 0.8, 0.2]])[:, :, None]
FIRST = np.array([[1.0, 0.0, 0.0]])[:, :, None]  # on SEED, leave_one_out and maxrl agree by chance


@pytest.mark.parametrize(
    ("estimator", "rewards_PGK", "expected"),
    [
        (center, SEED, [1 / 3, 2 / 15, -7 / 15]),
        (center, FIRST, [2 / 3, -1 / 3, -1 / 3]),
        (leave_one_out, SEED, [0.5, 0.2, -0.7]),
        (leave_one_out, FIRST, [1.0, -0.5, -0.5]),
        (rank, SEED, [0.5, 0.0, -0.5]),
        (rank, FIRST, [0.5, -0.25, -0.25]),
        (maxrl, SEED, [0.5, 0.2, -0.7]),
        (maxrl, FIRST, [2.0, -1.0, -1.0]),
    ],
)
def test_worked_tables(estimator, rewards_PGK, expected):
    np.testing.assert_allclose(estimator(rewards_PGK, ONE)[0], expected, rtol=0, atol=1e-12)


def test_standardize_follows_trl():
    np.testing.assert_allclose(standardize(SEED, ONE)[0], [0.8004, 0.3202, -1.1206], rtol=0, atol=5e-5)
    np.testing.assert_allclose(
        standardize(FIRST, ONE)[0], np.array([2, -1, -1]) / 3 / (1 / 3**0.5 + 1e-4), rtol=0, atol=1e-12
    )


def test_maxrl_gives_nothing_without_success():
    rewards_PGK = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [0.1, 0.2, -0.3]])[:, :, None]
    assert rewards_PGK[2].mean() > 0  # by rounding: its inverse is above 1e16
    assert (maxrl(rewards_PGK, ONE) == 0).all()


@pytest.mark.parametrize(
    ("rewards", "k", "expected"),
    [
        ([1, 0, 0], 1, [2**0.5, -(0.5**0.5), -(0.5**0.5)]),  # f = 2/3, s = sqrt(2)/3
        ([1, 0, 0], 2, [0.5**0.5, -(0.5**1.5), -(0.5**1.5)]),  # f = 1/3, s = sqrt(2)/3
        ([0, 1, 0, 0], 2, [-1 / 3, 1, -1 / 3, -1 / 3]),  # f = 1/2, s = 1/2
        ([1, 1, 0], 2, [0, 0, 0]),  # every two of them pass
        ([0, 0, 0], 2, [0, 0, 0]),
        ([1.0, 0.8, 0.2], 1, [0.5**0.5, 0.5**0.5, -(2**0.5)]),  # from 0.5 on a response is right
    ],
)
def test_worked_tables_of_pass_at_k(rewards, k, expected):
    advantages_PG = pass_at_k(np.array([rewards], float)[:, :, None], ONE, k=k)
    np.testing.assert_allclose(advantages_PG, [expected], rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", range(1, 6))
@pytest.mark.parametrize("right", range(7))
def test_pass_at_k_is_the_mean_over_all_sets_of_k(k, right):
    """What the formula stands for: every set is rewarded, standardized, and shared out to those who are in it."""
    rewards_G = (np.arange(6) < right).astype(float)
    sets = list(combinations(range(6), k))
    passed = np.array([rewards_G[list(some)].max() for some in sets])
    gain = (passed - passed.mean()) / (passed.std() or 1)
    shared = [np.mean([one for one, some in zip(gain, sets, strict=True) if place in some]) for place in range(6)]
    np.testing.assert_allclose(pass_at_k(rewards_G[None, :, None], ONE, k=k)[0], shared, rtol=0, atol=1e-12)


def test_the_threshold_says_what_is_right():
    above = pass_at_k(SEED, ONE, k=1, threshold=0.9)
    np.testing.assert_array_equal(above, pass_at_k(FIRST, ONE, k=1))
    np.testing.assert_array_equal(pass_at_k(SEED, ONE, k=1, threshold=0.8), pass_at_k(SEED, ONE, k=1))


@pytest.mark.parametrize("k", [0, 3, 4])
def test_a_set_as_large_as_the_group_is_refused(k):
    with pytest.raises(ValueError, match=rf"advantage.k is {k}, and a group has 3 responses: set it to 1 up to 2"):
        pass_at_k(SEED, ONE, k=k)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_other_groups_change_nothing(estimator):
    rewards_PGK = np.random.default_rng(1).random((3, 8, 1))
    rewards_PGK[1] *= 100
    np.testing.assert_array_equal(estimator(rewards_PGK, ONE)[2:], estimator(rewards_PGK[2:], ONE))


@pytest.mark.parametrize("estimator", [center, standardize, leave_one_out, rank, maxrl])
def test_the_order_of_the_rewards_is_kept(estimator):
    rewards_PGK = np.random.default_rng(0).random((5, 8, 1))
    assert (estimator(rewards_PGK, ONE).argsort(axis=1) == rewards_PGK[:, :, 0].argsort(axis=1)).all()


@pytest.mark.parametrize(
    ("estimator", "power", "tolerance"),
    [(center, 1, 1e-12), (leave_one_out, 1, 1e-12), (standardize, 0, 1e-3), (rank, 0, 0), (maxrl, 0, 1e-12)],
)
def test_what_the_scale_of_rewards_does(estimator, power, tolerance):
    rewards_PGK = np.random.default_rng(2).random((5, 8, 1))
    scaled = estimator(7 * rewards_PGK, ONE)
    np.testing.assert_allclose(scaled, 7**power * estimator(rewards_PGK, ONE), rtol=tolerance, atol=tolerance)
