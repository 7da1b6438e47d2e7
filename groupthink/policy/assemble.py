"""Groups and their advantages, made into a batch that can be learned from."""

from collections.abc import Sequence

import numpy as np

from groupthink.records import Batch, Group


def assemble(groups: Sequence[Group], advantages_PG: np.ndarray) -> Batch:
    """A batch whose loss is the mean over responses of the mean over each one's sampled tokens.

    Each sampled token of response b weighs 1 / (B * L_b), L_b the number of its sampled tokens, as in
    equation 3 of DeepSeekMath (arXiv 2402.03300). Every response counts in B, those of groups of equal
    rewards too. Tokens that the policy did not sample weigh 0.
    """
    responses = [response for group in groups for response in group.responses]
    lengths_B = np.array([len(response) for response in responses])
    sampled_M = np.concatenate([response.sampled_T for response in responses])
    sampled_B = np.array([response.sampled_T.sum() for response in responses])
    assert (sampled_B > 0).all(), "a response without a token that the policy sampled"
    sizes_P = [len(group.responses) for group in groups]
    assert advantages_PG.shape == (len(groups), sizes_P[0]) and len(set(sizes_P)) == 1

    share_B = 1.0 / (len(responses) * sampled_B)
    old_logprobs_M = np.concatenate([response.logprobs_T for response in responses])
    return Batch(
        prompts=tuple(group.prompt_ids for group in groups),
        group_B=np.repeat(np.arange(len(groups)), sizes_P),
        starts=np.concatenate([[0], np.cumsum(lengths_B)]),
        token_ids_M=np.concatenate([response.token_ids_T for response in responses]),
        # A tool's token has no log-probability; NaN times a weight of 0 would still be NaN.
        old_logprobs_M=np.where(sampled_M, old_logprobs_M, 0).astype(np.float32),
        advantages_M=np.repeat(advantages_PG.ravel(), lengths_B).astype(np.float32),
        weights_M=(np.repeat(share_B, lengths_B) * sampled_M).astype(np.float32),
    )
