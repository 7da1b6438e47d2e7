"""What an objective needs to know of a batch beside the batch itself, found before its first update."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from groupthink.policy.cut import tokens_of
from groupthink.policy.objective.correction import correction_weights
from groupthink.policy.objective.focus import focus_columns
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.passes import Forward
from groupthink.records import Batch

Columns = dict[str, np.ndarray]
"""Fields of `Tokens` by name, over all M tokens of a batch."""

Look = Callable[[str], Forward]
"""A forward pass over the batch under the "policy" or the "reference"."""


def only_live_groups_teach(objective: ObjectiveSettings) -> bool:
    """Whether a group without advantages has no gradient and no say in that of others, so that it need not be computed.

    It has a say where tokens are picked among all those of a batch, and where a loss is a mean over a micro-batch.
    """
    if objective.focus != "all" or objective.reduction == "micro_batch_mean":
        return False
    in_loss = objective.kl > 0 and objective.kl_place == "loss"
    others = objective.entropy_bonus or objective.entropy_step
    return not in_loss and not others and ".py:" not in objective.surrogate


@dataclass(frozen=True, eq=False, slots=True)
class Found:
    """The columns, and the policy's log-probabilities before the update where they were asked for."""

    columns: Columns
    logprobs_M: np.ndarray | None = None


def find_columns(
    batch: Batch,
    objective: ObjectiveSettings,
    look: Look,
    parts: Sequence[np.ndarray],
    *,
    reference_logprobs_M: np.ndarray | None = None,
    seed: int,
) -> Found:
    """What `objective` asks for. `parts` are the responses of each mini-batch, `seed` decides what is drawn."""
    columns: Columns = {}
    if reference_logprobs_M is not None:
        columns["reference_logprobs_M"] = reference_logprobs_M
    elif objective.kl > 0:
        columns["reference_logprobs_M"] = look("reference").logprobs_M
    if objective.correction == "none" and objective.focus != "top_entropy":
        return Found(columns | _focus(batch, batch.old_logprobs_M, None, objective, parts, seed))
    now = look("policy")
    old_M = batch.old_logprobs_M
    if objective.correction != "none":
        columns["correction_M"] = correction_weights(
            now.logprobs_M,
            batch.drawn_logprobs_M,
            batch.sampled_M,
            batch.starts,
            correction=objective.correction,
            low=objective.correction_low,
            high=objective.correction_high,
        )
        columns["engine_logprobs_M"] = batch.old_logprobs_M
        columns["old_logprobs_M"] = old_M = np.where(batch.sampled_M, now.logprobs_M, 0)
    columns |= _focus(batch, old_M, now.entropies_M, objective, parts, seed)
    return Found(columns, now.logprobs_M)


def _focus(
    batch: Batch,
    old_logprobs_M: np.ndarray,
    entropies_M: np.ndarray | None,
    objective: ObjectiveSettings,
    parts: Sequence[np.ndarray],
    seed: int,
) -> Columns:
    """The columns that pick tokens, picked within each mini-batch."""
    columns: Columns = {}
    if objective.focus == "all":
        return columns
    for place, responses in enumerate(parts):
        tokens = tokens_of(batch, responses)
        picked = focus_columns(
            objective,
            old_logprobs_M=old_logprobs_M[tokens],
            advantages_M=batch.advantages_M[tokens],
            entropies_M=(old_logprobs_M if entropies_M is None else entropies_M)[tokens],
            sampled_M=batch.weights_M[tokens] > 0,  # so masked responses are not chosen among
            seed=seed * len(parts) + place,
        )
        for name, column in picked.items():
            columns.setdefault(name, np.zeros(len(batch.token_ids_M), np.float32))[tokens] = column
    return columns
