"""What the tokens of one response do not share of its advantage: the KL to come, and their place among all tokens."""

from dataclasses import replace

import numpy as np

from groupthink.advantage import whiten_tokens
from groupthink.policy.objective.kl import kl_to_go
from groupthink.recipe import Recipe
from groupthink.records import Batch


def credit_tokens(batch: Batch, reference_logprobs_M: np.ndarray | None, recipe: Recipe) -> Batch:
    """The batch with each token's own advantage: less what is to go of KL, then measured by those of all that count.

    Tokens that weigh nothing (a tool's; those of masked responses) do not count. `reference_logprobs_M` (nats) are
    those that `penalise` found. Without such settings the batch comes back as it is. (REINFORCE++: arXiv 2501.03262,
    equations 4 and 5.)
    """
    objective = recipe.objective
    to_go = objective.kl > 0 and objective.kl_place == "to_go"
    if not (to_go or recipe.advantage.whiten_tokens):
        return batch
    advantages_M = batch.advantages_M.astype(np.float64)
    if to_go:
        assert reference_logprobs_M is not None, "what is to go has to be known"
        advantages_M -= objective.kl * kl_to_go(
            batch.old_logprobs_M,
            reference_logprobs_M,
            batch.sampled_M,
            batch.starts,
            estimator=objective.kl_estimator,
        )
    if recipe.advantage.whiten_tokens:
        advantages_M = whiten_tokens(advantages_M, batch.weights_M > 0)
    return replace(batch, advantages_M=advantages_M.astype(np.float32))
