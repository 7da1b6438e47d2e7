import math

import pytest
import torch

from groupthink.policy.objective import clipped_high, clipped_low, clipped_surrogate, importance_ratio, k3


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


RATIO = column(0.5, 0.5, 1.0, 1.1, 2.0, 2.0)
ADVANTAGES = column(1.0, -1.0, -2.0, 3.0, 1.0, -1.0)


def test_ratio_of_equal_log_probabilities_is_exactly_one():
    logprobs = torch.randn(100)
    assert (importance_ratio(logprobs, logprobs.clone()) == 1).all()
    torch.testing.assert_close(importance_ratio(column(math.log(0.6)), column(math.log(0.2))), column(3.0))


def test_ratio_and_k3_stay_finite_however_far_the_policies_are_apart():
    far, near = torch.tensor([-1e4, 0.0]), torch.tensor([0.0, -1e4])
    assert importance_ratio(far, near).isfinite().all()
    assert k3(far, near).isfinite().all()


def test_surrogate_by_hand():
    found = clipped_surrogate(RATIO, ADVANTAGES, low=0.2, high=0.3)
    #                 min(.5, .8)  min(-.5, -.8)        min(2, 1.3)  min(-2, -1.3)
    torch.testing.assert_close(found, -column(0.5, -0.8, -2.0, 3.3, 1.3, -2.0))


def test_clipped_tokens_by_hand():
    assert clipped_low(RATIO, ADVANTAGES, low=0.2).tolist() == [False, True, False, False, False, False]
    assert clipped_high(RATIO, ADVANTAGES, high=0.3).tolist() == [False, False, False, False, True, False]


def test_clipped_tokens_are_those_without_a_gradient():
    ratio = RATIO.clone().requires_grad_()
    clipped_surrogate(ratio, ADVANTAGES, low=0.2, high=0.3).sum().backward()
    clipped = clipped_low(RATIO, ADVANTAGES, low=0.2) | clipped_high(RATIO, ADVANTAGES, high=0.3)
    assert ((ratio.grad == 0) == clipped).all()


@pytest.mark.parametrize("advantage", [2.0, -0.5])
def test_first_gradient_of_a_two_token_policy_is_the_policy_gradient(advantage):
    """For logits z and a sampled token k: d loss / dz = -A (onehot_k - softmax(z))."""
    logits = column(0.3, -1.2).requires_grad_()
    logprobs = logits.log_softmax(0)[:1]
    ratio = importance_ratio(logprobs, logprobs.detach())
    clipped_surrogate(ratio, column(advantage), low=0.2, high=0.2).sum().backward()
    expected = -advantage * (column(1.0, 0.0) - logits.detach().softmax(0))
    torch.testing.assert_close(logits.grad, expected, rtol=1e-12, atol=0)


def test_k3_by_hand():
    """pi = 0.5, pi_ref = 0.25: 0.5 - log 0.5 - 1."""
    torch.testing.assert_close(k3(column(math.log(0.5)), column(math.log(0.25))), column(0.5 + math.log(2) - 1))
    assert k3(column(-1.0), column(-1.0)).item() == 0


def test_k3_averages_to_the_kl_divergence():
    policy, reference = torch.randn(2, 7, dtype=torch.float64).log_softmax(-1)
    divergence = (policy.exp() * (policy - reference)).sum()
    torch.testing.assert_close((policy.exp() * k3(policy, reference)).sum(), divergence)


def test_k3_pulls_the_policy_back():
    """d k3 / d logprob = 1 - pi_ref / pi: positive, so that the loss falls with it, where pi is above pi_ref."""
    logprobs = column(math.log(0.5), math.log(0.1)).requires_grad_()
    k3(logprobs, column(math.log(0.25), math.log(0.4))).sum().backward()
    torch.testing.assert_close(logprobs.grad, column(0.5, -3.0))
