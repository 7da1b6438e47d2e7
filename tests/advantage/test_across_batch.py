import numpy as np
import pytest

from groupthink.advantage import batch_std, gdpo, reinforce_pp, standardize, whiten

ONE = np.ones(1)
BATCH = np.array([[1.0, 0.8, 0.2], [1.0, 0.0, 0.0]])[:, :, None]
CENTERED = np.array([[5, 2, -7], [10, -5, -5]]) / 15
ALL_STD = (1.18 / 5) ** 0.5  # of the six rewards, about their mean 0.5
CENTERED_STD = (228 / 225 / 5) ** 0.5  # of the six differences from the means of their groups


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        (batch_std, CENTERED / (ALL_STD + 1e-4)),
        (reinforce_pp, CENTERED / (CENTERED_STD + 1e-4)),
        (whiten, np.array([[5, 3, -3], [5, -5, -5]]) / 10 / (ALL_STD + 1e-4)),
    ],
)
def test_worked_tables(estimator, expected):
    np.testing.assert_allclose(estimator(BATCH, ONE), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("estimator", [batch_std, reinforce_pp, whiten])
def test_with_one_group_all_are_standardize(estimator):
    for rewards_PGK in BATCH[:1], BATCH[1:]:
        np.testing.assert_allclose(estimator(rewards_PGK, ONE), standardize(rewards_PGK, ONE), rtol=0, atol=1e-12)


def test_how_hard_problems_are_enters_the_spread_of_rewards_alone():
    harder = BATCH - np.array([0.0, 10.0])[:, None, None]
    np.testing.assert_allclose(reinforce_pp(harder, ONE), reinforce_pp(BATCH, ONE), rtol=0, atol=1e-12)
    assert (abs(batch_std(harder, ONE)) < abs(batch_std(BATCH, ONE)) / 5).all()


def test_whiten_reinforces_a_group_that_is_always_right():
    advantages_PG = whiten(np.array([[1.0, 1.0], [0.0, 0.0]])[:, :, None], ONE)
    half = 0.5 / ((1 / 3) ** 0.5 + 1e-4)
    np.testing.assert_allclose(advantages_PG, [[half, half], [-half, -half]], rtol=0, atol=1e-12)
    assert (whiten(np.full((3, 3, 1), 0.2), ONE) == 0).all()  # of nine times 0.2, the mean is not 0.2


def test_gdpo_tells_one_reward_earned_from_two():
    """Totals (0, 1) and (0, 2) standardize to the same advantages: the paper's example."""
    rewards_PGK = np.array([[[0, 0], [1, 0]], [[0, 0], [1, 1]]], float)
    by_total = standardize(rewards_PGK, np.ones(2))
    np.testing.assert_allclose(by_total[0], by_total[1], rtol=1e-3)
    part = 0.5 / (0.5**0.5 + 1e-4)
    spread = part * (10 / 3) ** 0.5 + 1e-4  # of -part, part, -2 part and 2 part
    expected = np.array([[-part, part], [-2 * part, 2 * part]]) / spread
    np.testing.assert_allclose(gdpo(rewards_PGK, np.ones(2)), expected, rtol=0, atol=1e-12)


def test_gdpo_weighs_the_parts_after_they_are_standardized():
    """A part's own scale says nothing, its weight does."""
    rewards_PGK = np.array([[[1.0, 0.0], [0.0, 5.0], [0.0, 0.0]]])
    weights_K = np.array([3.0, 1.0])
    first, second = np.array([2, -1, -1]) / 3, np.array([-1, 2, -1]) / 3  # either has a deviation of sqrt(1/3)
    sums = (3 * first + second) / (1 / 3) ** 0.5
    np.testing.assert_allclose(gdpo(rewards_PGK, weights_K)[0], sums / sums.std(ddof=1), atol=1e-3)
    np.testing.assert_allclose(gdpo(rewards_PGK * [1, 100], weights_K), gdpo(rewards_PGK, weights_K), atol=1e-3)


def test_gdpo_leaves_absent_parts_out():
    """A part is compared among those who have it; a part of nobody, or of one alone, teaches nothing."""
    nan = np.nan
    rewards_PGK = np.array([[[1.0, nan, nan], [nan, nan, 7.0], [0.0, nan, nan]]])
    part = 0.5 / (0.5**0.5 + 1e-4)
    expected = np.array([part, 0.0, -part]) / (part + 1e-4)
    np.testing.assert_allclose(gdpo(rewards_PGK, np.ones(3))[0], expected, rtol=0, atol=1e-12)


def test_gdpo_is_zero_only_where_every_part_is_equal():
    rewards_PGK = np.array([[[0.2, 0.7]] * 3, [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]])  # all totals of a group are equal
    advantages_PG = gdpo(rewards_PGK, np.array([2.0, 1.0]))
    assert (advantages_PG[0] == 0).all()
    assert advantages_PG[1, 0] > 0 > advantages_PG[1, 1]


@pytest.mark.parametrize("estimator", [batch_std, reinforce_pp, whiten, gdpo])
def test_the_scale_of_all_rewards_is_taken_out(estimator):
    rewards_PGK = np.random.default_rng(2).random((5, 8, 1))
    np.testing.assert_allclose(estimator(7 * rewards_PGK, ONE), estimator(rewards_PGK, ONE), rtol=1e-3)
