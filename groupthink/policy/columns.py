"""What an objective needs to know of a batch beside the batch itself, found before its first update."""

import hashlib
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
    looks = objective.correction != "none" or objective.focus == "top_entropy"
    now = look("policy") if looks else None
    old_M = batch.old_logprobs_M
    if now is not None and objective.correction != "none":
        columns["correction_M"] = correction_weights(
            now.logprobs_M,
            batch.drawn_logprobs_M,
            batch.sampled_M,
            batch.starts,
            correction=objective.correction,
            low=objective.correction_low,
            high=objective.correction_high,
        )
        columns["engine_logprobs_M"] = old_M
        columns["old_logprobs_M"] = old_M = np.where(batch.sampled_M, now.logprobs_M, 0)
    if objective.focus != "all":
        entropies_M = None if now is None else now.entropies_M
        columns |= _focus(batch, objective, parts, old_M, entropies_M, seed)
    return Found(columns, None if now is None else now.logprobs_M)


def _focus(
    batch: Batch,
    objective: ObjectiveSettings,
    parts: Sequence[np.ndarray],
    old_logprobs_M: np.ndarray,
    entropies_M: np.ndarray | None,
    seed: int,
) -> Columns:
    """The columns that pick tokens, picked within each mini-batch."""
    columns: Columns = {}
    draws_M = _draws(batch, seed)
    for responses in parts:
        tokens = tokens_of(batch, responses)
        picked = focus_columns(
            objective,
            old_logprobs_M=old_logprobs_M[tokens],
            advantages_M=batch.advantages_M[tokens],
            entropies_M=None if entropies_M is None else entropies_M[tokens],
            sampled_M=batch.weights_M[tokens] > 0,  # so masked responses are not chosen among
            draws_M=draws_M[tokens],
        )
        for name, column in picked.items():
            columns.setdefault(name, np.zeros(len(batch.token_ids_M), np.float32))[tokens] = column
    return columns


def _draws(batch: Batch, seed: int) -> np.ndarray:
    """[M]: a number from 0 to 1 for each token, a function of `seed`, the prompt, the response and the place in it.

    Nothing else, so that it moves with a response where groups come in another order.
    """
    responses = np.split(batch.token_ids_M, batch.starts[1:-1])
    draws = []
    for group, token_ids in zip(batch.group_B, responses, strict=True):
        digest = hashlib.sha256(batch.prompts[group].tobytes() + token_ids.tobytes()).digest()
        draws.append(np.random.default_rng([seed, int.from_bytes(digest)]).random(len(token_ids)))
    return np.concatenate(draws)
