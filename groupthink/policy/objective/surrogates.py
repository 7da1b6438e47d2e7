"""What is made of ratio and advantage: a loss for each token, whose fall raises what did better than its group.

A surrogate is a function `(tokens, settings) -> losses_M`, before correction, focus and weights. One of the
user's own is named `FILE.py:FUNCTION` and has the same form.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from groupthink.policy.objective.clipping import clipped_surrogate
from groupthink.policy.objective.ratio import LARGEST_LOG_RATIO, RATIOS, hold
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.tokens import Tokens

Surrogate = Callable[[Tokens, ObjectiveSettings], Tensor]

LEAST_LOG_WEIGHT = math.log(1e-8)  # of a whole response, in VESPO: as its authors and TRL hold it


def imitation(logprobs_M: Tensor, advantages_M: Tensor) -> Tensor:
    """-A log pi: maximum likelihood where every advantage is 1, which is supervised fine-tuning."""
    return -advantages_M * logprobs_M


def imitate(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """-A log pi: no ratio is taken, so old log-probabilities do not matter."""
    return imitation(tokens.logprobs_M, tokens.advantages_M)


def clip(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """PPO's clipped surrogate (arXiv 1707.06347, equation 7), on the ratio of a token or of a response."""
    return clipped_surrogate(
        RATIOS[settings.ratio](tokens),
        tokens.advantages_M,
        low=settings.clip_low,
        high=settings.clip_high,
        ceiling=settings.ceiling,
        dual_clip=settings.dual_clip,
    )


def unclipped(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """-r A: the policy gradient, weighted by the ratio; REINFORCE's at r = 1 (RLOO: arXiv 2402.14740).

    The paper has one update to a batch, where r is 1. In later ones r is what `settings.ratio` says, and free; TRL's
    RLOO takes a response's product of ratios there, and clips it.
    """
    return -RATIOS[settings.ratio](tokens) * tokens.advantages_M


def cispo(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """-sg[clip(r, 1 - clip_low, 1 + clip_high)] A log pi (MiniMax-M1: arXiv 2506.13585, equations 4 and 5).

    The weight is clipped and not the gradient: no token loses it. The bound is 1 + clip_high as in the paper
    and in verl; TRL and ScaleRL (arXiv 2510.13786) name the bound itself, so their 5.0 is clip_high=4.0 here.
    A clip_low of 1 or more is no lower bound, since a ratio is never below 0.
    """
    weights_M = RATIOS[settings.ratio](tokens).detach().clamp(1 - settings.clip_low, 1 + settings.clip_high)
    return imitation(tokens.logprobs_M, weights_M * tokens.advantages_M)


def sapo(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """-4/tau sigmoid(tau (r - 1)) A: a soft gate in place of the clip (arXiv 2511.20347, equations 5 and 6).

    tau is `sapo_positive` where A > 0, else `sapo_negative`. Its slope 4 sigmoid' is 1 at r = 1, and falls on
    both sides; a larger tau falls faster.
    """
    tau_M = _by_sign(tokens, settings.sapo_positive, settings.sapo_negative)
    gate_M = 4 / tau_M * torch.sigmoid(tau_M * (RATIOS[settings.ratio](tokens) - 1))
    return -gate_M * tokens.advantages_M


def gmpo(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """-A times the geometric mean of a response's clipped token ratios (arXiv 2507.20673, equation 4).

    The clip is in logarithms: log r is at most clip_high where A > 0, and at least -clip_low where A < 0.
    """
    log_ratio_M = tokens.logprobs_M - tokens.old_logprobs_M
    clipped_M = torch.where(
        tokens.advantages_M > 0, log_ratio_M.clamp(max=settings.clip_high), log_ratio_M.clamp(min=-settings.clip_low)
    )
    return -hold(tokens.mean_over_response(clipped_M)).exp() * tokens.advantages_M


def vespo(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    """-sg[phi(w)] A log pi, with phi(w) = w^k exp(lambda (1 - w)) (arXiv 2602.10693, equation 20).

    w is the ratio of the whole response: a product, not a geometric mean. phi(1) = 1, and it falls smoothly on
    both sides; k and lambda depend on the sign of A. The correction of sampling differences is a factor of w
    here, and is not applied again outside. Bounds are TRL's: log r within +-20, log w from log 1e-8 to 20.
    """
    log_ratio_M = hold((tokens.logprobs_M - tokens.old_logprobs_M).detach())
    if tokens.correction_M is not None:
        log_ratio_M = log_ratio_M + tokens.correction_M.log().clamp(LEAST_LOG_WEIGHT, LARGEST_LOG_RATIO)
    log_w_M = tokens.sum_over_response(log_ratio_M).clamp(LEAST_LOG_WEIGHT, LARGEST_LOG_RATIO)
    k_M = _by_sign(tokens, settings.vespo_k_positive, settings.vespo_k_negative)
    lambda_M = _by_sign(tokens, settings.vespo_lambda_positive, settings.vespo_lambda_negative)
    phi_M = (k_M * log_w_M + lambda_M * (1 - log_w_M.exp())).exp()
    return imitation(tokens.logprobs_M, phi_M * tokens.advantages_M)


SURROGATES: dict[str, Surrogate] = {
    "clip": clip,
    "unclipped": unclipped,
    "cispo": cispo,
    "sapo": sapo,
    "gmpo": gmpo,
    "vespo": vespo,
    "imitation": imitate,
}


def _by_sign(tokens: Tokens, positive: float, negative: float) -> Tensor:
    """`positive` where A > 0, else `negative`, in the precision of the log-probabilities."""
    return torch.full_like(tokens.logprobs_M, negative).masked_fill(tokens.advantages_M > 0, positive)
