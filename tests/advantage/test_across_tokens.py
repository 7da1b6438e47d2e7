import numpy as np
import pytest

from groupthink.advantage import center, reward, whiten, whiten_tokens

ONE = np.ones(1)
REWARDS = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]])[:, :, None]
LENGTHS = [2, 7, 5, 4, 3, 8]


def masked_whiten(values_BT, mask_BT):
    """verl's, of padded rows: variance with Bessel's correction, 1e-8 within the root."""
    n = mask_BT.sum()
    mean = (values_BT * mask_BT).sum() / n
    variance = ((values_BT - mean) ** 2 * mask_BT).sum() / n * (n / (n - 1))
    return (values_BT - mean) / np.sqrt(variance + 1e-8) * mask_BT


def of_responses(advantages_PG, lengths=LENGTHS):
    """What the tokens of each response come to, one of them for all."""
    whitened_M = whiten_tokens(np.repeat(advantages_PG.ravel(), lengths), np.ones(sum(lengths), bool))
    return whitened_M[np.cumsum(lengths) - 1].reshape(advantages_PG.shape)


def test_a_worked_table():
    """Rewards 1 and 0, of 1 and 3 tokens: mean 1/4, variance (9/16 + 3/16) / 3 = 1/4."""
    found = of_responses(np.array([[1.0, 0.0]]), [1, 3])
    np.testing.assert_allclose(found, [[1.5, -0.5]], rtol=1e-7)


def test_the_forms_of_reinforce_pp_at_unequal_lengths():
    """9 of 29 tokens are of reward 1, so a right response gains more than it would among 3 of 6 responses."""
    found = of_responses(reward(REWARDS, ONE))
    np.testing.assert_allclose(found, [[1.465, -0.659, -0.659], [1.465, 1.465, -0.659]], atol=5e-4)
    assert whiten(REWARDS, ONE)[0, 0] < 0.92
    with_baseline = of_responses(center(REWARDS, ONE))
    np.testing.assert_allclose(with_baseline[0], [1.954, -0.313, -0.313], atol=5e-4)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_verl_s_masked_whiten(seed):
    """Of ragged responses with tokens in them that do not count."""
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, 9, 12)
    there_BT = np.arange(9) < lengths[:, None]
    counted_BT = there_BT & (draw.random((12, 9)) < 0.8)
    values_BT = draw.normal(3, 2, (12, 9))
    expected = masked_whiten(values_BT, counted_BT)
    found = whiten_tokens(values_BT[there_BT], counted_BT[there_BT])
    np.testing.assert_allclose(found, expected[there_BT], rtol=1e-12, atol=1e-12)
    counted = found[counted_BT[there_BT]]
    assert abs(counted.mean()) < 1e-12 and counted.std(ddof=1) == pytest.approx(1)


def test_at_equal_lengths_it_is_whiten_but_for_the_count_of_what_is_free():
    """n - 1 of 30 tokens in place of n - 1 of 6 responses, and a little of what is added to the spread."""
    found = of_responses(reward(REWARDS, ONE), [5] * 6)
    np.testing.assert_allclose(found, whiten(REWARDS, ONE) * np.sqrt(29 / 30 * 6 / 5), rtol=1e-3)


def test_tokens_that_do_not_count_change_nothing_and_get_nothing():
    values_M, counted_M = np.array([1.0, 0.0, 0.0, 0.0, 900.0]), np.array([True] * 4 + [False])
    np.testing.assert_allclose(whiten_tokens(values_M, counted_M), [1.5, -0.5, -0.5, -0.5, 0], rtol=1e-7)


def test_where_nothing_differs_advantages_are_exactly_zero():
    assert (whiten_tokens(np.full(9, 0.2), np.ones(9, bool)) == 0).all()  # of nine times 0.2, the mean is not 0.2
    assert whiten_tokens(np.array([3.0, 5.0]), np.array([False, True])).tolist() == [0, 0]
    assert whiten_tokens(np.array([3.0, 5.0]), np.zeros(2, bool)).tolist() == [0, 0]
