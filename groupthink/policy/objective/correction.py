"""What a difference between the law that drew a token and the learner's is worth.

An engine that is not the learner computes slightly other probabilities, an asynchronous one holds older weights, and
top-p and top-k narrow what is drawn from. What was drawn is weighed by w = pi_learner / pi_engine: the learner's law at
the moment when learning from the batch begins, by the one that drew. The learner's, recomputed then, are the proximal
log-probabilities. With those as `old_logprobs_M` and w as
`correction_M`, a loss w * min(u A, clip(u) A), u = pi / pi_proximal, is AReaL's decoupled objective (arXiv
2505.24298); with the engine's as `old_logprobs_M` there is nothing left to correct.

| correction | weight |
|---|---|
| truncate_token | min(w, high): TIS, with high 2 |
| mask_token | w, and 0 outside low to high: IcePop, with 0.5 and 5 |
| truncate_sequence, mask_sequence | the same of a whole response, w the product over its sampled tokens |

Of a token it varies less and is biased; of a response it is unbiased.
"""

import numpy as np
from torch import Tensor

from groupthink.policy.objective.ragged import spread, sum_by_response
from groupthink.policy.objective.ratio import LARGEST_LOG_RATIO
from groupthink.policy.objective.tokens import Tokens


def correction_weights(
    learner_logprobs_M: np.ndarray,
    engine_logprobs_M: np.ndarray,
    sampled_M: np.ndarray,
    starts: np.ndarray,
    *,
    correction: str,
    low: float,
    high: float,
) -> np.ndarray:
    """correction_M of a whole batch, in the precision of `learner_logprobs_M`; 1 where nothing was sampled, or "none".

    `starts` holds B + 1 offsets; both log-probabilities are in nats and under one temperature.
    """
    w_M = np.ones(len(sampled_M))
    if correction != "none":
        log_M = _log_weights(learner_logprobs_M, engine_logprobs_M, sampled_M)
        if correction.endswith("_sequence"):
            log_M = spread(sum_by_response(log_M, starts), starts)
        w_M = _exp(log_M)
        w_M = np.minimum(w_M, high) if correction.startswith("truncate_") else w_M * ((low <= w_M) & (w_M <= high))
    return np.where(sampled_M, w_M, 1).astype(learner_logprobs_M.dtype)


def correction_figures(
    learner_logprobs_M: np.ndarray,
    engine_logprobs_M: np.ndarray,
    sampled_M: np.ndarray,
    starts: np.ndarray,
    *,
    correction: str,
    low: float,
    high: float,
) -> dict[str, float]:
    """How far the two laws are apart, over the sampled tokens of a whole batch, by TRL's names where it has them.

    mean and max: of |log w|. k3: the mean of w - log w - 1, an estimate of KL(engine || learner). masked: the share
    of tokens whose correction is 0. effective_sample_size: (sum w)^2 / (N sum w^2) of weights neither truncated nor
    masked: of the N tokens, or, where the correction is of a sequence, of the N responses with a sampled token; 1 where
    all are equal.
    """
    log_M = _log_weights(learner_logprobs_M, engine_logprobs_M, sampled_M)
    of_tokens = log_M[sampled_M]
    corrected_M = correction_weights(
        learner_logprobs_M, engine_logprobs_M, sampled_M, starts, correction=correction, low=low, high=high
    )
    of_responses = sum_by_response(log_M, starts)[sum_by_response(sampled_M.astype(np.float64), starts) > 0]
    w = _exp(of_responses if correction.endswith("_sequence") else of_tokens)
    tokens = max(len(of_tokens), 1)
    return {
        "sampling/sampling_logp_difference/mean": float(np.abs(of_tokens).sum() / tokens),
        "sampling/sampling_logp_difference/max": float(np.abs(of_tokens).max(initial=0)),
        "sampling/k3": float((_exp(of_tokens) - of_tokens - 1).sum() / tokens),
        "sampling/masked": float((corrected_M[sampled_M] == 0).sum() / tokens),
        "sampling/effective_sample_size": float(w.sum() ** 2 / (len(w) * (w**2).sum())) if len(w) else 1.0,
    }


def stale_negatives(tokens: Tokens, *, threshold: float) -> Tensor:
    """bool: tokens of a bad response (A < 0) that the policy has left by now: mean log(pi_old / pi) > threshold.

    DeepSeek-V3.2 (arXiv 2512.02556, equation 9) leaves them out, and publishes no threshold; TRL suggests 0.5 nats.
    pi_old is the policy as the engine saw it, so that a difference between engine and learner counts, too; that top-p
    and top-k narrowed what it drew from does not.
    """
    engine_M = tokens.old_logprobs_M if tokens.engine_logprobs_M is None else tokens.engine_logprobs_M
    left_M = tokens.mean_over_response((engine_M - tokens.logprobs_M).detach())
    return (tokens.advantages_M < 0) & (left_M > threshold)


def _log_weights(learner_logprobs_M: np.ndarray, engine_logprobs_M: np.ndarray, sampled_M: np.ndarray) -> np.ndarray:
    """log w (float64), 0 where nothing was sampled: an engine has no probability for a tool's token."""
    difference_M = learner_logprobs_M.astype(np.float64) - engine_logprobs_M.astype(np.float64)
    return np.where(sampled_M, difference_M, 0)


def _exp(log_weights: np.ndarray) -> np.ndarray:
    return np.exp(np.clip(log_weights, -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))
