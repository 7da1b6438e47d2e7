from itertools import pairwise

import numpy as np
import pytest

from groupthink.policy.objective.reduction import local_weights, share_tokens
from groupthink.policy.objective.settings import CHOICES
from tests.policy.objective.worked import SAMPLED, STARTS

SAMPLED_M = np.array(SAMPLED)


@pytest.mark.parametrize(
    ("reduction", "weights"),
    [
        ("sequence_mean", [1 / 6, 1 / 6, 1 / 9, 0, 1 / 9, 1 / 9, 1 / 6, 1 / 6]),
        ("micro_batch_mean", [1 / 6, 1 / 6, 1 / 9, 0, 1 / 9, 1 / 9, 1 / 6, 1 / 6]),
        ("token_mean", [1 / 7, 1 / 7, 1 / 7, 0, 1 / 7, 1 / 7, 1 / 7, 1 / 7]),
        ("constant", [1 / 30, 1 / 30, 1 / 30, 0, 1 / 30, 1 / 30, 1 / 30, 1 / 30]),
        ("sequence_sum", [1 / 3, 1 / 3, 1 / 3, 0, 1 / 3, 1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_weights_by_hand(reduction, weights):
    np.testing.assert_allclose(share_tokens(SAMPLED_M, STARTS, reduction=reduction, max_tokens=10), weights)


@pytest.mark.parametrize(
    ("reduction", "weights"),
    [
        ("sequence_mean", [1 / 6, 1 / 6, 0, 0, 0, 0, 1 / 6, 1 / 6]),  # a mean over three, of which one gives nothing
        ("token_mean", [1 / 4, 1 / 4, 0, 0, 0, 0, 1 / 4, 1 / 4]),
        ("constant", [1 / 30, 1 / 30, 0, 0, 0, 0, 1 / 30, 1 / 30]),
        ("sequence_sum", [1 / 3, 1 / 3, 0, 0, 0, 0, 1 / 3, 1 / 3]),
    ],
)
def test_a_masked_response_counts_among_responses_and_its_tokens_nowhere(reduction, weights):
    masked = np.array([False, True, False])
    found = share_tokens(SAMPLED_M, STARTS, reduction=reduction, max_tokens=10, masked_B=masked)
    np.testing.assert_allclose(found, weights)


@pytest.mark.parametrize("reduction", CHOICES["reduction"])
def test_a_batch_of_which_every_response_is_masked_weighs_nothing(reduction):
    masked = np.ones(3, bool)
    assert (share_tokens(SAMPLED_M, STARTS, reduction=reduction, max_tokens=10, masked_B=masked) == 0).all()


def micro_batch(places, starts, masked=None):
    weights = share_tokens(SAMPLED_M, STARTS, reduction="micro_batch_mean", max_tokens=10, masked_B=masked)[places]
    return weights, np.array(starts)


def test_local_weights_share_out_a_micro_batch_by_tokens():
    """Two of three responses: 2/3 of the batch, over their 5 sampled tokens; the third: 1/3, over 2."""
    first = local_weights(*micro_batch(np.arange(6), [0, 2, 6]))
    np.testing.assert_allclose(first, 2 / 3 / 5 * np.array([1, 1, 1, 0, 1, 1]))
    np.testing.assert_allclose(local_weights(*micro_batch(np.arange(6, 8), [0, 2])), 1 / 3 / 2)


def test_local_weights_are_token_mean_for_a_whole_batch_and_sequence_mean_for_single_responses():
    whole = local_weights(*micro_batch(np.arange(8), STARTS))
    np.testing.assert_allclose(whole, share_tokens(SAMPLED_M, STARTS, reduction="token_mean", max_tokens=10))
    sequence = share_tokens(SAMPLED_M, STARTS, reduction="sequence_mean", max_tokens=10)
    for first, end in pairwise(STARTS):
        single = local_weights(*micro_batch(np.arange(first, end), [0, end - first]))
        np.testing.assert_allclose(single, sequence[first:end])


def test_a_masked_response_leaves_its_share_to_the_others_of_its_micro_batch():
    masked = np.array([False, True, False])
    whole = local_weights(*micro_batch(np.arange(8), STARTS, masked))
    np.testing.assert_allclose(
        whole, share_tokens(SAMPLED_M, STARTS, reduction="token_mean", max_tokens=10, masked_B=masked)
    )
    first = local_weights(*micro_batch(np.arange(6), [0, 2, 6], masked))
    np.testing.assert_allclose(first, 2 / 3 / 2 * np.array([1, 1, 0, 0, 0, 0]))
    assert (local_weights(*micro_batch(np.arange(2, 6), [0, 4], masked)) == 0).all()
