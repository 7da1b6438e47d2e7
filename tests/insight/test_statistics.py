from itertools import combinations

import numpy as np
import pytest

from groupthink.insight.statistics import interval, majority_right, pass_at_k


@pytest.mark.parametrize("k", [1, 2, 4, 5])
def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample(k):
    right_PC = np.array([[1, 0, 0, 1, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
    by_hand = np.mean([np.mean([any(subset) for subset in combinations(row, k)]) for row in right_PC])
    assert pass_at_k(right_PC, k) == pytest.approx(by_hand, abs=1e-12)


def test_pass_at_k_needs_k_samples():
    with pytest.raises(ValueError, match="at least 5 samples"):
        pass_at_k(np.zeros((2, 4)), 5)


def test_the_majority_votes_and_silence_is_no_vote():
    assert majority_right(["a", "b", "b"], [True, False, False]) is False
    assert majority_right(["a", "b", "a"], [True, False, True]) is True
    assert majority_right([None, None, "a"], [False, False, True]) is True
    assert majority_right([None], [False]) is False


@pytest.mark.parametrize("right", [[True, False, False], [False, True, False]])
def test_an_answer_is_right_where_one_of_its_votes_was(right):
    """The other may have been cut, or out of form; their order does not matter."""
    assert majority_right(["a", "a", "b"], right) is True


def test_the_interval_covers_the_mean_as_often_as_it_says():
    draw = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        low, high = interval((draw.random(100) < 0.6).astype(float), seed=trial)
        covered += low <= 0.6 <= high
    assert 180 <= covered <= 199


def test_the_interval_is_that_of_a_normal_law_where_problems_are_many():
    values_P = (np.arange(2000) % 5 < 3).astype(float)
    reach = 1.96 * np.sqrt(0.6 * 0.4 / 2000)
    assert interval(values_P) == pytest.approx((0.6 - reach, 0.6 + reach), abs=0.03 * reach)
