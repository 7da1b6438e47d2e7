"""How far the policy is from the reference: estimates of KL(pi || pi_ref) from the sampled token alone.

The estimators are J. Schulman's ("Approximating KL divergence", 2020), whose values k1 and k3 are unbiased for
tokens that the policy drew. In a loss their gradients count: on average k1's is 0 and teaches nothing, k2's is that
of KL(pi || pi_ref), and k3's that of KL(pi_ref || pi); `k3_unbiased` has the value of the one and its gradient.
"""

from collections.abc import Callable

import numpy as np
from torch import Tensor, from_numpy

from groupthink.policy.objective.ragged import sum_by_response
from groupthink.policy.objective.ratio import LARGEST_LOG_RATIO, importance_ratio
from groupthink.policy.objective.tokens import Tokens


def k1(logprobs_M: Tensor, reference_logprobs_M: Tensor) -> Tensor:
    """log(pi / pi_ref): of either sign, KL on average."""
    return logprobs_M - reference_logprobs_M


def k2(logprobs_M: Tensor, reference_logprobs_M: Tensor) -> Tensor:
    """log(pi / pi_ref)^2 / 2 >= 0: its gradient, and not its value, is KL's on average."""
    return k1(logprobs_M, reference_logprobs_M).square() / 2


def k3(logprobs_M: Tensor, reference_logprobs_M: Tensor) -> Tensor:
    """pi_ref / pi - log(pi_ref / pi) - 1 >= 0 (GRPO's: arXiv 2402.03300, equation 4).

    log(pi_ref / pi) is held at 20 and below: a token that much rarer than in the reference has no gradient.
    """
    log_ratio_M = (reference_logprobs_M - logprobs_M).clamp(max=LARGEST_LOG_RATIO)
    return log_ratio_M.exp() - log_ratio_M - 1


def k3_unbiased(logprobs_M: Tensor, reference_logprobs_M: Tensor, old_logprobs_M: Tensor) -> Tensor:
    """pi / pi_old * k3 (DeepSeek-V3.2: arXiv 2512.02556, equation 7), differentiated through the ratio.

    For tokens that pi_old drew, value and gradient are KL's on average: d / d log pi is ratio * log(pi / pi_ref).
    The ratio is the token's, whatever ratio the surrogate takes (TRL takes the response's, where the surrogate does).
    Multiplied out, pi_ref / pi_old is a constant:
    so the gradient points to the reference even where an exponent is held.
    """
    log_ratio_M = reference_logprobs_M - logprobs_M
    constant_M = importance_ratio(reference_logprobs_M, old_logprobs_M)
    return constant_M - importance_ratio(logprobs_M, old_logprobs_M) * (log_ratio_M + 1)


ESTIMATORS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"k1": k1, "k2": k2, "k3": k3}


def divergence(tokens: Tokens, estimator: str) -> Tensor:
    """The estimate for each token, by one of ESTIMATORS or by "k3_unbiased"."""
    assert tokens.reference_logprobs_M is not None, "a KL term needs the reference's log-probabilities"
    if estimator == "k3_unbiased":
        return k3_unbiased(tokens.logprobs_M, tokens.reference_logprobs_M, tokens.old_logprobs_M)
    return ESTIMATORS[estimator](tokens.logprobs_M, tokens.reference_logprobs_M)


def kl_in_reward(
    logprobs_M: np.ndarray,
    reference_logprobs_M: np.ndarray,
    sampled_M: np.ndarray,
    starts: np.ndarray,
    *,
    estimator: str,
) -> np.ndarray:
    """[B], float64, nats: what is subtracted, times `kl`, from each response's reward before advantages are made.

    The sum over the response's sampled tokens, which all of them bear; with k1 that is log(pi(response) /
    pi_ref(response)), as in RLOO (arXiv 2402.14740, equation 3).
    """
    return sum_by_response(_of_sampled(logprobs_M, reference_logprobs_M, sampled_M, estimator), starts)


def kl_to_go(
    logprobs_M: np.ndarray,
    reference_logprobs_M: np.ndarray,
    sampled_M: np.ndarray,
    starts: np.ndarray,
    *,
    estimator: str,
) -> np.ndarray:
    """[M], float64, nats: what is subtracted, times `kl`, from each token's advantage.

    The sum over the response's sampled tokens from this one on: a token bears what it can have brought about, and no
    more (REINFORCE++: arXiv 2501.03262, equation 4, with k1). The first bears what `kl_in_reward` has all bear.
    """
    kl_M = _of_sampled(logprobs_M, reference_logprobs_M, sampled_M, estimator)
    return np.concatenate([kl_T[::-1].cumsum()[::-1] for kl_T in np.split(kl_M, starts[1:-1])])


def _of_sampled(
    logprobs_M: np.ndarray, reference_logprobs_M: np.ndarray, sampled_M: np.ndarray, estimator: str
) -> np.ndarray:
    """[M], float64: the estimate for each token, 0 for those that were not sampled."""
    kl_M = ESTIMATORS[estimator](from_numpy(logprobs_M), from_numpy(reference_logprobs_M)).numpy()
    return np.where(sampled_M, kl_M, 0).astype(np.float64)
