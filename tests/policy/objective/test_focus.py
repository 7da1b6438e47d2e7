import numpy as np
import pytest

from groupthink.policy.objective.focus import clip_cov, covariances, focus_columns, kl_cov, top_entropy
from groupthink.policy.objective.settings import ObjectiveSettings

SAMPLED = np.array([True, True, True, False, True])
LOGPROBS = np.array([-1.0, -2.0, -3.0, 50.0, -6.0])  # mean of the sampled: -3
ADVANTAGES = np.array([3.0, 2.0, 0.0, 70.0, -1.0])  # mean of the sampled: 1
COVARIANCES = [4.0, 1.0, 0.0, -np.inf, 6.0]


def test_covariances_by_hand():
    np.testing.assert_array_equal(covariances(LOGPROBS, ADVANTAGES, SAMPLED), COVARIANCES)


def test_top_entropy_keeps_the_highest_share():
    entropies = np.array([0.1, 0.9, 0.5, 7.0, 0.3])
    for share, kept in ((0.25, [0, 1, 0, 0, 0]), (0.5, [0, 1, 1, 0, 0]), (1.0, [1, 1, 1, 0, 1])):
        assert top_entropy(entropies, SAMPLED, share=share).tolist() == kept


def test_top_entropy_of_a_batch_keeps_a_fifth():
    entropies = np.random.default_rng(0).random(1000).astype(np.float32)
    kept = top_entropy(entropies, np.ones(1000, bool), share=0.2)
    assert kept.dtype == np.float32 and kept.sum() == 200
    assert entropies[kept == 1].min() > entropies[kept == 0].max()


def test_kl_cov_picks_the_highest_covariances():
    for share, picked in ((1e-4, [0, 0, 0, 0, 1]), (0.5, [1, 0, 0, 0, 1]), (1.0, [1, 1, 1, 0, 1])):
        found = kl_cov(LOGPROBS, ADVANTAGES, SAMPLED, share=share, kl=0.1)
        np.testing.assert_array_equal(found, 0.1 * np.array(picked))


def test_clip_cov_leaves_out_some_of_the_tokens_within_bounds():
    bounds = {"low": 1.0, "high": 5.0}  # the tokens 0 and 1 are within them
    for draws, kept in (([0.2, 0.3, 0, 0, 0], [0, 1, 1, 1, 1]), ([0.3, 0.2, 0, 0, 0], [1, 0, 1, 1, 1])):
        found = clip_cov(LOGPROBS, ADVANTAGES, SAMPLED, np.array(draws), share=1e-4, **bounds)  # at least one
        assert found.tolist() == kept
    columns = LOGPROBS, ADVANTAGES, SAMPLED, np.zeros(5)
    assert clip_cov(*columns, share=0.75, **bounds).tolist() == [0, 0, 1, 1, 1]  # three, but two are within bounds
    assert clip_cov(*columns, share=0.5, low=10.0, high=20.0).tolist() == [1] * 5


def test_clip_cov_chooses_the_same_tokens_wherever_they_stand():
    draw = np.random.default_rng(1)
    columns = draw.normal(size=500), draw.normal(size=500), np.ones(500, bool), draw.random(500)
    order = draw.permutation(500)
    given = {"share": 0.02, "low": 0.5, "high": 5.0}
    found, moved = clip_cov(*columns, **given), clip_cov(*(column[order] for column in columns), **given)
    np.testing.assert_array_equal(moved, found[order])
    assert (found == 0).sum() == 10 and (covariances(*columns[:3])[found == 0] >= 0.5).all()


@pytest.mark.parametrize(
    ("focus", "columns"),
    [("all", []), ("top_entropy", ["focus_M"]), ("clip_cov", ["focus_M"]), ("kl_cov", ["kl_focus_M"])],
)
def test_settings_say_which_column_is_filled(focus, columns):
    settings = ObjectiveSettings(focus=focus, focus_share=0.1)
    given = {"old_logprobs_M": LOGPROBS, "advantages_M": ADVANTAGES, "entropies_M": -LOGPROBS, "sampled_M": SAMPLED}
    given["draws_M"] = np.zeros(5)
    found = focus_columns(settings, **given)
    assert list(found) == columns
    nothing = {name: column[:0] for name, column in given.items()}
    assert all(len(column) == 0 for column in focus_columns(settings, **nothing).values())
