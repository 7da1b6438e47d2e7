"""groupthink's objective of the rollouts, by the functions that the learner composes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from groupthink.advantage import ESTIMATORS
from groupthink.policy.columns import Found as Columns
from groupthink.policy.columns import find_columns
from groupthink.policy.cut import split, take, tokens_of
from groupthink.policy.objective.loss import Losses, token_losses
from groupthink.policy.objective.reduction import local_weights, share_tokens
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.tokens import Tokens
from groupthink.policy.passes import Backward, Forward
from groupthink.policy.trace import Trace
from groupthink.records import Batch
from tests_peers.trl.rollouts import CUT_OFF, GROUP, LENGTHS_B, MAX_TOKENS, WHOLE, Cut, Rollouts
from tests_peers.trl.theirs import Found

STARTS = np.concatenate([[0], np.cumsum(LENGTHS_B)])


def settings_of(row: str, **more: Any) -> tuple[ObjectiveSettings, str]:
    """A row's objective and its advantage's estimator, with `more` on top; no KL term where none is asked for."""
    estimator = more.pop("estimator", ROWS[row].get("advantage.estimator", "center"))
    return ObjectiveSettings.of_row(row, **{"kl": ROWS[row].get("objective.kl", 0.0), **more}), estimator


def found_by_us(
    rollouts: Rollouts, settings: ObjectiveSettings, estimator: str, *, cut: Cut = WHOLE
) -> tuple[Found, Losses]:
    """The loss summed over micro-batches, its gradient, and what became of their tokens."""
    logits_MV = rollouts.logits_MV.clone().requires_grad_()
    logprobs_M, entropies_M = rollouts.logprobs(logits_MV)
    batch = our_batch(rollouts, settings, estimator)
    parts = split(batch, cut.mini_batches)
    laws = {
        # As before a batch's first update. These losses are a later one's, for which TRL takes entropies anew.
        "policy": Forward(rollouts.old_logprobs_M.numpy(), entropies_M.detach().numpy()),
        "reference": Forward(rollouts.reference_logprobs_M.numpy(), np.zeros(len(batch.token_ids_M))),
    }
    columns = find_columns(batch, settings, laws.__getitem__, parts, seed=0).columns
    loss, seen = torch.zeros(()), []
    for responses in np.array_split(parts[-1], cut.micro_batches):
        chosen = tokens_of(batch, responses)
        part = take(batch, responses)
        given = _given(part) | {name: column[chosen] for name, column in columns.items()}
        tokens = Tokens(
            logprobs_M=logprobs_M[chosen],
            entropies_M=entropies_M[chosen],
            **{name: torch.from_numpy(column) for name, column in given.items()},
        )
        losses = token_losses(tokens, settings)
        weights_M = tokens.weights_M
        if settings.reduction == "micro_batch_mean":
            weights_M = torch.from_numpy(local_weights(part.weights_M, part.starts))
        loss = loss + (weights_M * losses.losses_M).sum()
        seen.append(losses)
    # The weights share out one loss over the whole batch; of its equal mini-batches each has its part.
    loss = cut.mini_batches * loss
    (gradient_MV,) = torch.autograd.grad(loss, logits_MV)
    joined = {name: torch.cat([getattr(losses, name) for losses in seen]).detach() for name in Losses.__slots__}
    return Found(loss.item(), gradient_MV, {}), Losses(**joined)


def our_figures(rollouts: Rollouts, settings: ObjectiveSettings, estimator: str, losses: Losses) -> Mapping[str, float]:
    """What the learner logs of an update whose tokens came to `losses`."""
    batch = our_batch(rollouts, settings, estimator)
    logprobs_M, entropies_M = rollouts.logprobs(rollouts.logits_MV)
    seen = {name: getattr(losses, name).numpy() for name in ("ratio_M", "low_M", "high_M", "stale_M")}
    everything = np.arange(len(batch.token_ids_M))
    trace = Trace(batch, Columns({}), settings, epochs=1)
    trace.note_tokens(everything, Backward(0.0, logprobs_M.numpy(), entropies_M.numpy(), **seen))
    trace.note_update(0.0, 0.0)
    return trace.report(np.full(len(everything), np.nan), {}).metrics


def our_batch(rollouts: Rollouts, settings: ObjectiveSettings, estimator: str) -> Batch:
    """What `assemble` makes, in float64."""
    sampled_M = rollouts.sampled_M.numpy()
    # With a correction, the batch holds what the engine reported, and the learner finds the others itself.
    drawn_M = rollouts.old_logprobs_M if settings.correction == "none" else rollouts.engine_logprobs_M
    weights_M = share_tokens(
        sampled_M,
        STARTS,
        reduction=settings.reduction,
        max_tokens=MAX_TOKENS,
        masked_B=np.arange(len(LENGTHS_B)) == CUT_OFF if settings.overlong == "masked" else None,
    )
    groups = len(LENGTHS_B) // GROUP
    return Batch(
        prompts=(np.zeros(1, np.int64),) * groups,
        group_B=np.repeat(np.arange(groups), GROUP),
        starts=STARTS,
        token_ids_M=rollouts.token_ids_M.numpy(),
        sampled_M=sampled_M,
        old_logprobs_M=np.where(sampled_M, drawn_M.numpy(), 0),
        drawn_logprobs_M=np.where(sampled_M, drawn_M.numpy(), 0),
        advantages_M=np.repeat(our_advantages(rollouts, estimator), LENGTHS_B),
        weights_M=weights_M,
    )


def our_advantages(rollouts: Rollouts, estimator: str) -> np.ndarray:
    """[B], of rewards that weigh the same."""
    rewards_PGK = rollouts.rewards_BK.reshape(-1, GROUP, rollouts.rewards_BK.shape[1])
    return ESTIMATORS[estimator](rewards_PGK, np.ones(rewards_PGK.shape[2])).reshape(-1)


def _given(batch: Batch) -> dict[str, np.ndarray]:
    """The fields of `Tokens` that a batch holds."""
    names = ("old_logprobs_M", "advantages_M", "weights_M", "sampled_M")
    response_M = np.repeat(np.arange(len(batch.group_B)), np.diff(batch.starts))
    return {**{name: getattr(batch, name) for name in names}, "response_M": response_M}
