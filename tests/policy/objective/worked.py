"""The case that the tables work out by hand: three responses of 2, 3 and 2 sampled tokens, in float64.

    advantage   probabilities          ratios            pi_ref / pi
    +1          0.5  0.25              0.5  1.1          2
    -2          0.6  (tool)  0.5  0.2  3  (tool)  1  0.3  1/2
    +1/2        0.5  0.8               2.5  1.25         1

A response may have 10 tokens.
"""

import numpy as np
import torch
from torch import Tensor

from groupthink.policy.objective.reduction import local_weights, share_tokens
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.tokens import Tokens

STARTS = np.array([0, 2, 6, 8])
SAMPLED = [True, True, True, False, True, True, True, True]
MAX_TOKENS = 10


def column(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)


PROBABILITIES = column(0.5, 0.25, 0.6, 1.0, 0.5, 0.2, 0.5, 0.8)
RATIOS = column(0.5, 1.1, 3.0, 1.0, 1.0, 0.3, 2.5, 1.25)
ADVANTAGES = column(1, 1, -2, -2, -2, -2, 0.5, 0.5)
TO_REFERENCE = column(2, 2, 0.5, 0.5, 0.5, 0.5, 1, 1)


def tokens_of(logprobs: Tensor, old: Tensor, advantages: Tensor, sampled=None, starts=None, **others) -> Tokens:
    """Tokens of one response (or of those that `starts` bound); what is not given is plain."""
    starts = np.array([0, len(logprobs)]) if starts is None else starts
    sampled_M = (
        torch.ones(len(logprobs), dtype=torch.bool) if sampled is None else torch.tensor(sampled, dtype=torch.bool)
    )
    given = {
        "entropies_M": torch.zeros_like(logprobs),
        "weights_M": sampled_M / sampled_M.sum(),
        "response_M": torch.from_numpy(np.repeat(np.arange(len(starts) - 1), np.diff(starts))),
        **others,
    }
    return Tokens(logprobs_M=logprobs, old_logprobs_M=old, advantages_M=advantages, sampled_M=sampled_M, **given)


def worked_tokens(settings: ObjectiveSettings, logprobs: Tensor | None = None, **others) -> Tokens:
    """The worked case, its ratios and distances being the same whatever the `logprobs`."""
    logprobs = PROBABILITIES.log() if logprobs is None else logprobs
    held = logprobs.detach()
    shares = share_tokens(np.array(SAMPLED), STARTS, reduction=settings.reduction, max_tokens=MAX_TOKENS)
    given = {"reference_logprobs_M": held + TO_REFERENCE.log(), "weights_M": torch.from_numpy(shares), **others}
    return tokens_of(logprobs, held - RATIOS.log(), ADVANTAGES, SAMPLED, STARTS, **given)


def reduced(tokens: Tokens, settings: ObjectiveSettings, losses: Tensor) -> Tensor:
    weights = tokens.weights_M
    if settings.reduction == "micro_batch_mean":
        starts = np.concatenate([[0], tokens.response_M.bincount().cumsum(0)])
        weights = torch.from_numpy(local_weights(weights.numpy(), starts))
    return (weights * losses).sum()
