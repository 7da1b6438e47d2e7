"""Which tokens teach: choices made once for a whole mini-batch, from what is known before its update.

Pure functions of columns over the M response tokens; `sampled_M` marks those that may be chosen. N is their
number. Denominators of the reduction stay what they are, whichever tokens are chosen.
"""

import numpy as np

from groupthink.policy.objective.settings import ObjectiveSettings


def focus_columns(
    settings: ObjectiveSettings,
    *,
    old_logprobs_M: np.ndarray,
    advantages_M: np.ndarray,
    entropies_M: np.ndarray | None,
    sampled_M: np.ndarray,
    draws_M: np.ndarray,
) -> dict[str, np.ndarray]:
    """The fields of `Tokens` that `settings.focus` fills: `focus_M`, or `kl_focus_M`, or none.

    Entropies are needed by "top_entropy" alone, draws by "clip_cov".
    """
    share = settings.focus_share
    if settings.focus == "top_entropy":
        assert entropies_M is not None, "top_entropy picks by entropies"
        return {"focus_M": top_entropy(entropies_M, sampled_M, share=share)}
    if settings.focus == "clip_cov":
        low, high = settings.focus_low, settings.focus_high
        columns = old_logprobs_M, advantages_M, sampled_M, draws_M
        return {"focus_M": clip_cov(*columns, share=share, low=low, high=high)}
    if settings.focus == "kl_cov":
        return {"kl_focus_M": kl_cov(old_logprobs_M, advantages_M, sampled_M, share=share, kl=settings.focus_kl)}
    return {}


def top_entropy(entropies_M: np.ndarray, sampled_M: np.ndarray, *, share: float) -> np.ndarray:
    """focus_M: 1 for the `share` of sampled tokens with the highest entropy, where the policy is at a fork.

    arXiv 2506.01939, equation 6, with a share of 0.2; there, too, every token counts in the denominator. The
    threshold is the (1 - share) quantile, and a token that reaches it is in.
    """
    if not sampled_M.any():
        return np.zeros_like(entropies_M)
    threshold = np.quantile(entropies_M[sampled_M], 1 - share)
    return (sampled_M & (entropies_M >= threshold)).astype(entropies_M.dtype)


def covariances(logprobs_M: np.ndarray, advantages_M: np.ndarray, sampled_M: np.ndarray) -> np.ndarray:
    """(log pi - mean log pi) * (A - mean A), means over sampled tokens; -infinity for the others (float64).

    arXiv 2505.22617, equation 10: learning from tokens where this is high is what lowers the entropy.
    """
    found_M = np.full(len(logprobs_M), -np.inf)
    logprobs, advantages = logprobs_M[sampled_M].astype(np.float64), advantages_M[sampled_M].astype(np.float64)
    if len(logprobs):
        found_M[sampled_M] = (logprobs - logprobs.mean()) * (advantages - advantages.mean())
    return found_M


def clip_cov(
    logprobs_M: np.ndarray,
    advantages_M: np.ndarray,
    sampled_M: np.ndarray,
    draws_M: np.ndarray,
    *,
    share: float,
    low: float,
    high: float,
) -> np.ndarray:
    """focus_M: 0 for N * share tokens (at least one) drawn among those whose covariance lies in `low` to `high`.

    Clip-Cov (arXiv 2505.22617, equations 11 and 12); 2e-4, 1 and 5 in its code. Those with the lowest `draws_M` are
    drawn: random numbers that belong to the tokens, wherever these stand.
    """
    focus_M = np.ones_like(logprobs_M)
    found_M = covariances(logprobs_M, advantages_M, sampled_M)
    among = np.flatnonzero((found_M >= low) & (found_M <= high))
    order = np.argsort(draws_M[among], kind="stable")
    focus_M[among[order[: _count(sampled_M, share)]]] = 0
    return focus_M


def kl_cov(
    logprobs_M: np.ndarray, advantages_M: np.ndarray, sampled_M: np.ndarray, *, share: float, kl: float
) -> np.ndarray:
    """kl_focus_M: `kl` for the N * share tokens (at least one) of the highest covariance, else 0.

    KL-Cov (arXiv 2505.22617, equations 13 and 14): a share of 2e-4 to 2e-3 and kl 1; 2e-4 and 0.1 in verl. Their
    penalty is |log pi - log pi_old|, their surrogate "unclipped". Of equals the earlier are chosen.
    """
    kl_focus_M = np.zeros_like(logprobs_M)
    order = np.argsort(-covariances(logprobs_M, advantages_M, sampled_M), kind="stable")
    chosen = order[: min(_count(sampled_M, share), int(sampled_M.sum()))]
    kl_focus_M[chosen] = kl
    return kl_focus_M


def _count(sampled_M: np.ndarray, share: float) -> int:
    return max(1, int(share * sampled_M.sum()))
