"""The reduction: how the losses of tokens become one number, said as each token's share of it.

Counts are those of the whole batch, so that the loss does not depend on how it is cut into micro-batches
(`micro_batch_mean` excepted, which is about that). B responses, L_b sampled tokens in response b.

| reduction | a token's weight | |
|---|---|---|
| sequence_mean | 1 / (B * L_b) | GRPO (arXiv 2402.03300, equation 3): responses weigh the same |
| token_mean | 1 / sum of L_b | DAPO (arXiv 2503.14476, equation 12): tokens weigh the same |
| constant | 1 / (B * max_tokens) | Dr. GRPO (arXiv 2503.20783): no length in any denominator |
| sequence_sum | 1 / B | LUSPO (arXiv 2602.05261, equation 7); REINFORCE, RLOO |
| micro_batch_mean | by `local_weights` | BNPO, as TRL names it |

DAPO's paper, and CISPO's, take the mean over the tokens of one question's group, and then over questions; token_mean
is over the batch, as in TRL and verl.
"""

import numpy as np

from groupthink.policy.objective.ragged import spread, sum_by_response


def share_tokens(
    sampled_M: np.ndarray,
    starts: np.ndarray,
    *,
    reduction: str,
    max_tokens: int,
    masked_B: np.ndarray | None = None,
) -> np.ndarray:
    """weights_M (float64) for the tokens of a whole batch; 0 where the policy did not sample.

    `starts` holds B + 1 offsets, `max_tokens` is the longest that a response may be. The tokens of responses in
    `masked_B` (bool; truncated ones) weigh 0: as in TRL, those responses count in B, and their tokens in no sum.
    For `micro_batch_mean` the weights are those of `sequence_mean`, from which `local_weights` starts.
    """
    responses = len(starts) - 1
    counted_M = sampled_M if masked_B is None else sampled_M & ~spread(masked_B, starts)
    counts_B = np.maximum(sum_by_response(counted_M, starts), 1)
    shares_B = {
        "sequence_mean": 1 / (responses * counts_B),
        "token_mean": np.full(responses, 1 / max(counted_M.sum(), 1)),
        "constant": np.full(responses, 1 / (responses * max_tokens)),
        "sequence_sum": np.full(responses, 1 / responses),
        "micro_batch_mean": 1 / (responses * counts_B),
    }[reduction]
    return spread(shares_B, starts) * counted_M


def local_weights(weights_M: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """weights_M of a micro-batch, whose tokens have `weights_M` by `share_tokens`; `starts` holds B + 1 offsets.

    It has the share of the batch that its responses have, and its tokens weigh the same.
    Tokens that weigh nothing still do, and a masked response leaves its share to the others of its micro-batch.
    It is TRL's `bnpo`, where micro-batches are equal in responses. With one response in each it is `sequence_mean`.
    """
    counted_M = weights_M > 0
    share = sum_by_response(weights_M, starts).max()  # 1 / B, of a response that is not masked
    responses = len(starts) - 1
    return (counted_M * (responses * share / max(counted_M.sum(), 1))).astype(weights_M.dtype)
