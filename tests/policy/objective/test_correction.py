import numpy as np
import pytest

from groupthink.policy.objective.correction import correction_figures, correction_weights, stale_negatives
from groupthink.policy.objective.settings import CHOICES
from tests.policy.objective.worked import SAMPLED, STARTS, column, tokens_of

ENGINE = np.array([-1.0, -2.0, -1.0, np.nan, -0.5, -3.0, -2.0, -2.0])
WEIGHTS = np.array([0.25, 8.0, 2.0, 1.0, 0.5, 1.5, 1.0, 1.0])  # of responses: 2, 1.5, 1
LEARNER = np.where(SAMPLED, ENGINE, 0) + np.log(WEIGHTS)


def corrected(correction, low=0.4, high=2.0, learner=LEARNER):
    return correction_weights(learner, ENGINE, np.array(SAMPLED), STARTS, correction=correction, low=low, high=high)


@pytest.mark.parametrize(
    ("correction", "weights"),
    [
        ("none", [1, 1, 1, 1, 1, 1, 1, 1]),
        ("truncate_token", [0.25, 2, 2, 1, 0.5, 1.5, 1, 1]),
        ("mask_token", [0, 0, 2, 1, 0.5, 1.5, 1, 1]),
        ("truncate_sequence", [2, 2, 1.5, 1, 1.5, 1.5, 1, 1]),
        ("mask_sequence", [2, 2, 1.5, 1, 1.5, 1.5, 1, 1]),
    ],
)
def test_weights_by_hand(correction, weights):
    np.testing.assert_allclose(corrected(correction, high=2 + 1e-12), weights, rtol=1e-9)


def test_a_response_outside_the_bounds_is_truncated_or_masked_whole():
    np.testing.assert_allclose(corrected("truncate_sequence", high=1.75)[:6], [1.75, 1.75, 1.5, 1, 1.5, 1.5])
    np.testing.assert_allclose(corrected("mask_sequence", low=1.25, high=1.75), [0, 0, 1.5, 1, 1.5, 1.5, 0, 0])


@pytest.mark.parametrize("correction", CHOICES["correction"])
def test_weights_stay_finite_and_in_the_precision_of_the_learner(correction):
    for apart in (1000, -1000):
        found = corrected(correction, learner=(LEARNER + apart).astype(np.float32), high=1e6)
        assert found.dtype == np.float32 and np.isfinite(found).all()


def test_figures_by_hand():
    figures = correction_figures(LEARNER, ENGINE, np.array(SAMPLED), STARTS, correction="mask_token", low=0.4, high=4.0)
    weights = np.delete(WEIGHTS, 3)
    logs = np.log(weights)
    assert figures == pytest.approx(
        {
            "sampling/sampling_logp_difference/mean": (2 + 3 + 1 + 1) * np.log(2) / 7 + np.log(1.5) / 7,
            "sampling/sampling_logp_difference/max": np.log(8),
            "sampling/k3": (14.25 - logs.sum() - 7) / 7,
            "sampling/masked": 2 / 7,
            "sampling/effective_sample_size": 14.25**2 / (7 * (0.0625 + 64 + 4 + 0.25 + 2.25 + 1 + 1)),
        }
    )


def test_the_effective_sample_size_of_a_sequence_correction_counts_responses():
    given = LEARNER, ENGINE, np.array(SAMPLED), STARTS
    figures = correction_figures(*given, correction="truncate_sequence", low=0.0, high=1.0)
    assert figures["sampling/effective_sample_size"] == pytest.approx(4.5**2 / (3 * (4 + 2.25 + 1)))


def test_a_response_of_which_nothing_counts_is_no_part_of_the_effective_sample_size():
    counted = np.array(SAMPLED) & (np.arange(8) >= 2)  # the first was not computed
    figures = correction_figures(LEARNER, ENGINE, counted, STARTS, correction="truncate_sequence", low=0.0, high=1.0)
    assert figures["sampling/effective_sample_size"] == pytest.approx(2.5**2 / (2 * (2.25 + 1)))


def test_equal_laws_have_plain_figures_and_no_tokens_have_too():
    given = ENGINE, ENGINE, np.array(SAMPLED), STARTS
    plain = correction_figures(*given, correction="mask_token", low=0.5, high=2.0)
    assert list(plain.values()) == [0, 0, 0, 0, 1]
    nothing = np.zeros(0), np.zeros(0), np.zeros(0, bool), np.array([0])
    assert correction_figures(*nothing, correction="mask_sequence", low=0.5, high=2.0) == plain


def test_stale_negatives_are_bad_responses_that_the_policy_has_left():
    """mean log(old / new): 0.6, 0.6, 0.4 with A of -1, +1, -1; the tool's token does not count."""
    old = column(0, 0, 0, 0, 0, 0, 0, 0)
    now = -column(0.9, 0.3, 0.6, 50, 0.6, 0.6, 0.4, 0.4)
    advantages = column(-1, -1, 1, 1, 1, 1, -1, -1)
    tokens = tokens_of(now, old, advantages, SAMPLED, STARTS)
    assert stale_negatives(tokens, threshold=0.5).tolist() == [True, True] + [False] * 6
    assert stale_negatives(tokens, threshold=0.3).tolist() == [True, True, False, False, False, False, True, True]
