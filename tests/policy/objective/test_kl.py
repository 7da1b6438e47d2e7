import math

import numpy as np
import pytest
import torch

from groupthink.policy.objective.kl import ESTIMATORS, divergence, k1, k2, k3, k3_unbiased, kl_in_reward, kl_to_go
from tests.policy.objective.worked import SAMPLED, STARTS, column, tokens_of

HALF, QUARTER = column(math.log(0.5)), column(math.log(0.25))


def test_estimators_by_hand():
    """pi = 0.5, pi_ref = 0.25, pi_old = 0.125: log ratio log 2, k3 = 0.5 + log 2 - 1, and 4 times that."""
    log2 = math.log(2)
    torch.testing.assert_close(k1(HALF, QUARTER), column(log2))
    torch.testing.assert_close(k2(HALF, QUARTER), column(log2**2 / 2))
    torch.testing.assert_close(k3(HALF, QUARTER), column(log2 - 0.5))
    torch.testing.assert_close(k3_unbiased(HALF, QUARTER, column(math.log(0.125))), column(4 * (log2 - 0.5)))
    for estimator in (k1, k2, k3):
        assert estimator(HALF, HALF).item() == 0


def laws():
    draw = torch.Generator().manual_seed(3)
    return torch.randn(3, 7, dtype=torch.float64, generator=draw)


def kl(logprobs, other):
    return (logprobs.exp() * (logprobs - other)).sum()


@pytest.mark.parametrize("estimator", [k1, k3])
def test_k1_and_k3_average_to_the_kl_divergence(estimator):
    policy, reference, _ = laws().log_softmax(-1)
    torch.testing.assert_close((policy.exp() * estimator(policy, reference)).sum(), kl(policy, reference))


@pytest.mark.parametrize(("estimator", "whose"), [(k1, "nothing"), (k2, "KL(pi || pi_ref)"), (k3, "KL(pi_ref || pi)")])
def test_what_the_gradient_of_each_estimator_averages_to(estimator, whose):
    logits, reference = laws()[0].requires_grad_(), laws()[1].log_softmax(0)
    policy = logits.log_softmax(0)
    (found,) = torch.autograd.grad((policy.exp().detach() * estimator(policy, reference)).sum(), logits)
    policy = logits.log_softmax(0)
    divergences = {
        "nothing": 0 * policy.sum(),
        "KL(pi || pi_ref)": kl(policy, reference),
        "KL(pi_ref || pi)": kl(reference, policy),
    }
    (expected,) = torch.autograd.grad(divergences[whose], logits)
    torch.testing.assert_close(found, expected)


def test_the_unbiased_k3_averages_to_kl_in_value_and_gradient_for_tokens_of_the_old_policy():
    logits, reference, old = laws()[0].requires_grad_(), laws()[1].log_softmax(0), laws()[2].log_softmax(0)
    policy = logits.log_softmax(0)
    average = (old.exp() * k3_unbiased(policy, reference, old)).sum()
    exact = kl(policy, reference)
    torch.testing.assert_close(average, exact)
    (found,) = torch.autograd.grad(average, logits, retain_graph=True)
    torch.testing.assert_close(found, torch.autograd.grad(exact, logits)[0])


def test_k3_pulls_the_policy_back_and_its_unbiased_form_by_the_log_ratio():
    """d k3 / d log pi = 1 - pi_ref / pi: positive, so that the loss falls with it, where pi is above pi_ref."""
    logprobs, reference = column(math.log(0.5), math.log(0.1)).requires_grad_(), column(0.25, 0.4).log()
    (plain,) = torch.autograd.grad(k3(logprobs, reference).sum(), logprobs)
    torch.testing.assert_close(plain, column(0.5, -3.0))
    unbiased = k3_unbiased(logprobs, reference, column(0.25, 0.2).log())
    (found,) = torch.autograd.grad(unbiased.sum(), logprobs)
    torch.testing.assert_close(found, column(2 * math.log(2), 0.5 * math.log(0.25)))


@pytest.mark.parametrize("name", ["k1", "k2", "k3", "k3_unbiased"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_estimates_and_gradients_stay_finite_and_never_point_away_from_the_reference(name, dtype):
    logprobs = column(-1000, 0, -1000, 0, dtype=dtype).requires_grad_()
    reference, old = column(0, -1000, 0, -1000, dtype=dtype), column(0, 0, -1000, -1000, dtype=dtype)
    found = divergence(tokens_of(logprobs, old, old, reference_logprobs_M=reference), name)
    (gradient,) = torch.autograd.grad(found.sum(), logprobs)
    assert found.dtype == dtype and found.isfinite().all() and gradient.isfinite().all()
    if name != "k1":  # which has no direction
        assert (gradient[::2] <= 1e-8).all() and (gradient[1::2] >= 0).all()


def test_kl_in_the_reward_is_summed_or_averaged_over_sampled_tokens():
    logprobs = np.array([-1.0, -1.0, -2.0, np.nan, -3.0, -1.0, 0.0, 0.0])
    reference = logprobs - np.array([0.5, 0.25, 1.0, 0.0, -2.0, 0.4, 0.0, 0.0])
    given = logprobs, reference, np.array(SAMPLED), STARTS
    np.testing.assert_allclose(kl_in_reward(*given, estimator="k1"), [0.75, -0.6, 0])
    np.testing.assert_allclose(kl_in_reward(*given, estimator="k2"), [0.15625, 2.58, 0])
    k3s = [math.exp(-x) + x - 1 for x in (0.5, 0.25, 1.0, -2.0, 0.4)]
    np.testing.assert_allclose(kl_in_reward(*given, estimator="k3"), [sum(k3s[:2]), sum(k3s[2:]), 0])


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_each_token_bears_what_comes_from_it_on(estimator):
    """By hand with k1; and, whatever the estimator, what is left of the sum that the whole response bears."""
    kl_M = np.array([0.5, 0.25, 1.0, 0.0, -2.0, 0.4, 0.0, 0.0])
    logprobs = np.array([-1.0, -1.0, -2.0, np.nan, -3.0, -1.0, 0.0, 0.0])
    given = logprobs, logprobs - kl_M, np.array(SAMPLED), STARTS
    found = kl_to_go(*given, estimator=estimator)
    if estimator == "k1":  # the tool's token, the fourth, adds nothing to what the one before it bears
        np.testing.assert_allclose(found, [0.75, 0.25, -0.6, -1.6, -1.6, 0.4, 0, 0], atol=1e-15)
    np.testing.assert_allclose(found[STARTS[:-1]], kl_in_reward(*given, estimator=estimator))
    own = ESTIMATORS[estimator](column(*logprobs), column(*(logprobs - kl_M))).nan_to_num().numpy()
    np.testing.assert_allclose(found[[0, 2, 3, 4, 6]] - found[[1, 3, 4, 5, 7]], own[[0, 2, 3, 4, 6]], atol=1e-15)
    np.testing.assert_array_equal(found[STARTS[1:] - 1], own[STARTS[1:] - 1])


def test_what_a_token_bears_is_the_same_to_the_bit_wherever_its_response_stands():
    draw = np.random.default_rng(0)
    logprobs, reference = draw.normal(size=(2, 9)).astype(np.float32)
    sampled, whole = np.ones(9, bool), np.array([0, 4, 9])
    found = kl_to_go(logprobs, reference, sampled, whole, estimator="k1")
    alone = kl_to_go(logprobs[4:], reference[4:], sampled[4:], np.array([0, 5]), estimator="k1")
    np.testing.assert_array_equal(found[4:], alone)
