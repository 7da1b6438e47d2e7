"""PPO's clip, and which tokens it leaves without a gradient."""

import torch
from torch import Tensor


def clipped_surrogate(
    ratio_M: Tensor,
    advantages_M: Tensor,
    *,
    low: float,
    high: float,
    ceiling: float = 0.0,
    dual_clip: float = 0.0,
) -> Tensor:
    """-min(r A, clip(r, 1 - low, 1 + high) A): PPO's pessimistic bound (arXiv 1707.06347, equation 7).

    It does not bound the loss where A < 0 and r is large. Two ways do, each off at 0:
    `ceiling` puts min(r, ceiling) in the place of the first r (two-sided clip: INTELLECT-2, arXiv 2505.07291);
    `dual_clip` lets the loss be at most dual_clip * |A| there (arXiv 1912.09729). Above 1 + high both say the same.
    """
    clipped_M = ratio_M.clamp(1 - low, 1 + high)
    if ceiling:
        ratio_M = ratio_M.clamp(max=ceiling)
    losses_M = -torch.minimum(ratio_M * advantages_M, clipped_M * advantages_M)
    if dual_clip:
        bound_M = torch.where(advantages_M < 0, -dual_clip * advantages_M, torch.inf)
        losses_M = torch.minimum(losses_M, bound_M)
    return losses_M


def clipped_low(ratio_M: Tensor, advantages_M: Tensor, *, low: float) -> Tensor:
    """Which tokens earn nothing more by becoming rarer (bool)."""
    return (ratio_M < 1 - low) & (advantages_M < 0)


def clipped_high(
    ratio_M: Tensor, advantages_M: Tensor, *, high: float, ceiling: float = 0.0, dual_clip: float = 0.0
) -> Tensor:
    """Which tokens earn nothing more by becoming likelier, or cost nothing more by being too likely (bool)."""
    beyond_M = (ratio_M > 1 + high) & (advantages_M > 0)
    for bound in (ceiling, dual_clip):
        if bound:
            beyond_M = beyond_M | ((ratio_M > bound) & (advantages_M < 0))
    return beyond_M
