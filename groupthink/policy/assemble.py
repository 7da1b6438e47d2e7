"""Groups and their advantages, made into a batch that can be learned from."""

from collections.abc import Sequence

import numpy as np

from groupthink.policy.objective.reduction import share_tokens
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.records import Batch, Group

GRPO = ObjectiveSettings()


def assemble(
    groups: Sequence[Group],
    advantages_PG: np.ndarray,
    objective: ObjectiveSettings = GRPO,
    max_tokens: int | None = None,
) -> Batch:
    """A batch in which each token has its share of the loss, by the objective's reduction.

    `max_tokens` is the longest that a response may be: the budget of the reduction "constant", needed there alone.

    Every response counts in the shares, those of groups of equal rewards too. Tokens that the policy did not
    sample weigh 0, and so do responses cut at `max_tokens` where the objective masks them.
    """
    responses = [response for group in groups for response in group.responses]
    lengths_B = np.array([len(response) for response in responses])
    sampled_M = np.concatenate([response.sampled_T for response in responses])
    assert all(response.sampled_T.any() for response in responses), "a response without a token that was sampled"
    sizes_P = [len(group.responses) for group in groups]
    assert advantages_PG.shape == (len(groups), sizes_P[0]) and len(set(sizes_P)) == 1

    assert max_tokens or objective.reduction != "constant", "a constant budget has to be given"
    starts = np.concatenate([[0], np.cumsum(lengths_B)])
    cut_B = np.array([response.finish == "length" for response in responses])
    weights_M = share_tokens(
        sampled_M,
        starts,
        reduction=objective.reduction,
        max_tokens=max_tokens or 1,
        masked_B=cut_B if objective.overlong == "masked" else None,
    )
    old_logprobs_M = np.concatenate([response.logprobs_T for response in responses])
    drawn_logprobs_M = np.concatenate([response.drawn_logprobs_T for response in responses])
    return Batch(
        prompts=tuple(group.prompt_ids for group in groups),
        group_B=np.repeat(np.arange(len(groups)), sizes_P),
        starts=starts,
        token_ids_M=np.concatenate([response.token_ids_T for response in responses]),
        sampled_M=sampled_M,
        # A tool's token has no log-probability; NaN times a weight of 0 would still be NaN.
        old_logprobs_M=np.where(sampled_M, old_logprobs_M, 0).astype(np.float32),
        drawn_logprobs_M=np.where(sampled_M, drawn_logprobs_M, 0).astype(np.float32),
        advantages_M=np.repeat(advantages_PG.ravel(), lengths_B).astype(np.float32),
        weights_M=weights_M.astype(np.float32),
    )
