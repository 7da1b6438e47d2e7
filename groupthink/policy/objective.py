"""The terms of GRPO's loss, for each token.

    loss = sum over tokens of weight * (clipped_surrogate + kl * k3)

Equations 3 and 4 of DeepSeekMath (arXiv 2402.03300), whose sign is turned: a loss falls.
"""

import torch
from torch import Tensor

LARGEST_LOG_RATIO = 20.0  # e^20 is 5e8: past it a ratio says no more, and e^89 is infinity in float32


def importance_ratio(logprobs_M: Tensor, old_logprobs_M: Tensor) -> Tensor:
    """pi(token) / pi_old(token) = exp(logprobs - old_logprobs), the exponent held within +-20."""
    return (logprobs_M - old_logprobs_M).clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO).exp()


def clipped_surrogate(ratio_M: Tensor, advantages_M: Tensor, *, low: float, high: float) -> Tensor:
    """-min(r A, clip(r, 1 - low, 1 + high) A): PPO's pessimistic bound (arXiv 1707.06347, equation 7)."""
    clipped_M = ratio_M.clamp(1 - low, 1 + high)
    return -torch.minimum(ratio_M * advantages_M, clipped_M * advantages_M)


def imitation(logprobs_M: Tensor, advantages_M: Tensor) -> Tensor:
    """-A log pi: maximum likelihood where every advantage is 1, which is supervised fine-tuning."""
    return -advantages_M * logprobs_M


def clipped_low(ratio_M: Tensor, advantages_M: Tensor, *, low: float) -> Tensor:
    """Which tokens earn nothing more by becoming rarer (bool)."""
    return (ratio_M < 1 - low) & (advantages_M < 0)


def clipped_high(ratio_M: Tensor, advantages_M: Tensor, *, high: float) -> Tensor:
    """Which tokens earn nothing more by becoming likelier (bool)."""
    return (ratio_M > 1 + high) & (advantages_M > 0)


def k3(logprobs_M: Tensor, reference_logprobs_M: Tensor) -> Tensor:
    """pi_ref / pi - log(pi_ref / pi) - 1 >= 0, an unbiased estimate of KL(pi || pi_ref).

    Source: J. Schulman, "Approximating KL divergence" (2020), k3; equation 4 of DeepSeekMath. Its value
    is unbiased, its gradient is not.
    """
    log_ratio_M = reference_logprobs_M - logprobs_M
    return log_ratio_M.clamp(max=LARGEST_LOG_RATIO).exp() - log_ratio_M - 1
