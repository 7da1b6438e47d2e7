"""The loss of each token, put together."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from groupthink.policy.objective.clipping import clipped_high, clipped_low
from groupthink.policy.objective.correction import stale_negatives
from groupthink.policy.objective.functions import find_surrogate
from groupthink.policy.objective.kl import divergence
from groupthink.policy.objective.ratio import RATIOS
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.surrogates import SURROGATES
from groupthink.policy.objective.tokens import Tokens

TOKEN_LOCAL = ("clip", "unclipped", "cispo", "sapo", "imitation")
"""Surrogates that look at one token at a time, where the ratio does."""


@dataclass(frozen=True, eq=False, slots=True)
class Losses:
    """What became of the tokens of a micro-batch."""

    losses_M: Tensor  # the whole loss of each token, before weights_M
    ratio_M: Tensor  # detached importance ratio, as `settings.ratio` takes it
    low_M: Tensor  # bool, detached: clipped because the ratio is low (no gradient of the policy term)
    high_M: Tensor  # bool, detached: clipped because the ratio is high
    stale_M: Tensor  # bool, detached: left out as a stale negative


def token_losses(tokens: Tokens, settings: ObjectiveSettings) -> Losses:
    """keep * surrogate + kl * KL + kl_focus * |log(pi / pi_old)| - entropy_bonus * entropy, for each token.

    keep is correction * focus, and 0 for stale negatives. `clip` and `gmpo` clip away gradients, and so tell of
    clipped tokens; in `cispo` and the soft ones every token keeps its own.

    Raises ValueError where a surrogate of the user's does not give a loss for each token.
    """
    stale_M = torch.zeros_like(tokens.sampled_M)
    if settings.stale_negatives > 0:
        stale_M = stale_negatives(tokens, threshold=settings.stale_negatives)
    losses_M = _policy_term(tokens, settings) * ~stale_M
    if settings.kl > 0 and settings.kl_place == "loss":
        losses_M = losses_M + settings.kl * divergence(tokens, settings.kl_estimator)
    if tokens.kl_focus_M is not None:
        losses_M = losses_M + tokens.kl_focus_M * (tokens.logprobs_M - tokens.old_logprobs_M).abs()
    if settings.entropy_bonus > 0:
        losses_M = losses_M - settings.entropy_bonus * tokens.entropies_M
    with torch.no_grad():
        ratio_M = RATIOS[settings.ratio](tokens)
        low_M, high_M = _clipped(ratio_M, tokens, settings)
    return Losses(losses_M, ratio_M, low_M, high_M, stale_M)


def reach_of(settings: ObjectiveSettings) -> Literal["token", "response", "pack"]:
    """What the loss of a token depends on: itself alone, its response, or (one of the user's) all that is with it."""
    if settings.surrogate not in SURROGATES:
        return "pack"
    alone = settings.ratio == "token" and settings.stale_negatives == 0
    return "token" if alone and settings.surrogate in TOKEN_LOCAL else "response"


def _policy_term(tokens: Tokens, settings: ObjectiveSettings) -> Tensor:
    losses_M = find_surrogate(settings.surrogate)(tokens, settings)
    if not isinstance(losses_M, Tensor) or losses_M.shape != tokens.logprobs_M.shape:
        gave = f"shape {tuple(losses_M.shape)}" if isinstance(losses_M, Tensor) else type(losses_M).__name__
        raise ValueError(
            f"objective.surrogate {settings.surrogate} gave {gave} for {len(tokens.logprobs_M)} tokens: "
            "return a tensor with a loss for each of them, in order"
        )
    if tokens.correction_M is not None and settings.surrogate != "vespo":  # which has it within
        losses_M = losses_M * tokens.correction_M
    if tokens.focus_M is not None:
        losses_M = losses_M * tokens.focus_M
    return losses_M


def _clipped(ratio_M: Tensor, tokens: Tokens, settings: ObjectiveSettings) -> tuple[Tensor, Tensor]:
    """Which tokens are clipped low, and which high."""
    advantages_M = tokens.advantages_M
    if settings.surrogate == "clip":
        low_M = clipped_low(ratio_M, advantages_M, low=settings.clip_low)
        high_M = clipped_high(
            ratio_M, advantages_M, high=settings.clip_high, ceiling=settings.ceiling, dual_clip=settings.dual_clip
        )
        return low_M, high_M
    if settings.surrogate == "gmpo":
        log_ratio_M = tokens.logprobs_M - tokens.old_logprobs_M
        low_M = (log_ratio_M < -settings.clip_low) & (advantages_M < 0)
        return low_M, (log_ratio_M > settings.clip_high) & (advantages_M > 0)
    nowhere_M = torch.zeros_like(tokens.sampled_M)
    return nowhere_M, nowhere_M
