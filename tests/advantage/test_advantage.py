import numpy as np
import pytest

from groupthink.advantage import (
    ESTIMATORS,
    AdvantageSettings,
    advantage,
    center,
    gdpo,
    pass_at_k,
    reward,
    telling,
    whiten,
)
from groupthink.records import Score

ONE = np.ones(1)
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=list(ESTIMATORS))


@pytest.mark.parametrize("estimator", [one for one in ESTIMATORS.values() if one is not reward])
def test_advantages_sum_to_zero(estimator):
    """Over each group, or, where the group does not matter, over the batch."""
    rewards_PGK = np.random.default_rng(0).random((5, 8, 1))
    advantages_PG = estimator(rewards_PGK, ONE)
    assert abs(advantages_PG).max() > 0.1
    np.testing.assert_allclose(advantages_PG.sum(axis=None if estimator is whiten else 1), 0, atol=1e-12)


@every_estimator
def test_the_order_of_groups_and_of_responses_means_nothing(estimator):
    draw = np.random.default_rng(3)
    rewards_PGK = draw.choice([0.0, 0.2, 1.0], (6, 8, 1))
    groups, responses = draw.permutation(6), draw.permutation(8)
    shuffled_PG = estimator(rewards_PGK[groups][:, responses], ONE)
    np.testing.assert_allclose(shuffled_PG, estimator(rewards_PGK, ONE)[groups][:, responses], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name not in ("whiten", "reward")])
def test_groups_of_equal_rewards_give_exactly_zero(name):
    rewards_PGK = np.repeat(np.random.default_rng(4).normal(size=(300, 1, 1)), 7, axis=1)
    rewards_PGK[0] = 0.2  # (0.2 + 0.2 + 0.2) / 3 is not 0.2
    rewards_PGK[1] = np.array([1, 0, 0, 0, 0, 0, 0])[:, None]
    advantages_PG = ESTIMATORS[name](rewards_PGK, ONE)
    assert (advantages_PG[1] != 0).all()
    assert (advantages_PG.any(axis=1)).sum() == 1


def test_a_bare_reward_is_left_as_it_is():
    rewards_PGK = np.array([[[1.0, 1.0], [1.0, np.nan], [0.0, 0.5]]])
    np.testing.assert_allclose(reward(rewards_PGK, np.array([0.6, 0.4])), [[1.0, 0.6, 0.2]], atol=1e-12)


def test_parts_are_weighed_and_absent_ones_left_out():
    rewards_PGK = np.array([[[1.0, 1.0], [1.0, np.nan], [0.0, 0.5]]])
    weights_K = np.array([0.6, 0.4])  # totals 1.0, 0.6, 0.2
    np.testing.assert_allclose(center(rewards_PGK, weights_K), [[0.4, 0.0, -0.4]], atol=1e-12)


@every_estimator
def test_a_group_of_one_is_refused(estimator):
    with pytest.raises(ValueError, match=r"set rollout.group_size to at least 2"):
        estimator(np.ones((4, 1, 1)), ONE)


def test_advantage_compares_the_values_of_scores():
    scores = [[Score(value, {}) for value in (1.0, 0.8, 0.2)], [Score(0.2, {})] * 3]
    found = advantage(scores, AdvantageSettings())
    np.testing.assert_allclose(found, [[1 / 3, 2 / 15, -7 / 15], [0, 0, 0]], atol=1e-12)
    ranked = advantage(scores, AdvantageSettings(estimator="rank"))
    np.testing.assert_allclose(ranked, [[0.5, 0, -0.5], [0, 0, 0]], atol=1e-12)


def test_only_gdpo_looks_at_parts():
    """Where they do not sum up to the value, the value is what counts for the others."""
    weights = {"accuracy": 1.0, "format": 0.5}
    parts = ({"accuracy": 1.0, "format": None}, {"format": 1.0, "accuracy": 0.0}, {"accuracy": 0.0})
    scores = [[Score(value, part) for value, part in zip((0.0, 0.0, 3.0), parts, strict=True)]]
    nan = np.nan
    rewards_PGK = np.array([[[1.0, nan], [0.0, 1.0], [0.0, nan]]])
    found = advantage(scores, AdvantageSettings("gdpo"), weights)
    np.testing.assert_array_equal(found, gdpo(rewards_PGK, np.array([1.0, 0.5])))
    by_value = advantage(scores, AdvantageSettings("gdpo"))
    np.testing.assert_array_equal(by_value, gdpo(np.array([[[0.0], [0.0], [3.0]]]), ONE))
    np.testing.assert_allclose(advantage(scores, AdvantageSettings(), weights), [[-1, -1, 2]], atol=1e-12)


def test_settings_reach_pass_at_k():
    scores = [[Score(value, {}) for value in (1.0, 0.8, 0.2, 0.2)]]
    found = advantage(scores, AdvantageSettings("pass_at_k", k=2, threshold=0.9))
    np.testing.assert_array_equal(found, pass_at_k(np.array([[1.0, 0, 0, 0]])[:, :, None], ONE, k=2))
    assert found.all()


@pytest.mark.parametrize(
    ("estimator", "tells"),
    [
        ("center", [False, False, True]),
        ("whiten", [False, False, True]),
        ("reward", [False, False, True]),
        ("gdpo", [False, True, True]),
    ],
)
def test_a_group_tells_where_its_responses_differ_in_what_the_estimator_sees(estimator, tells):
    """The second group earns the same total in two ways, which gdpo alone tells apart."""
    parts = [[(0.5, 0.5), (0.5, 0.5)], [(1.0, 0.0), (0.0, 0.5)], [(1.0, 1.0), (0.0, 1.0)]]
    scores = [[Score(a + 2 * b, {"a": a, "b": b}) for a, b in group] for group in parts]
    for whiten_tokens in (False, True):
        assert telling(scores, AdvantageSettings(estimator, whiten_tokens), {"a": 1.0, "b": 2.0}) == tells


def test_a_part_without_a_weight_is_refused():
    scores = [[Score(1.0, {"accuracy": 1.0, "kl": -0.1}), Score(0.0, {"accuracy": 0.0})]]
    with pytest.raises(ValueError, match="rewards without a weight: kl"):
        advantage(scores, AdvantageSettings("gdpo"), {"accuracy": 1.0})


def test_groups_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="differ in size"):
        advantage([[Score(1.0, {})] * 2, [Score(1.0, {})] * 3], AdvantageSettings())


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"advantage.estimator.*center, standardize, leave_one_out, rank"):
        AdvantageSettings(estimator="centre")
    with pytest.raises(ValueError, match=r"advantage.k is 0: a set needs at least 1"):
        AdvantageSettings(k=0)
