"""The importance ratio: how much likelier the policy has made what was sampled."""

from collections.abc import Callable

from torch import Tensor

from groupthink.policy.objective.tokens import Tokens

LARGEST_LOG_RATIO = 20.0  # e^20 is 5e8: past it a ratio says no more, and e^89 is infinity in float32


def hold(log_ratio_M: Tensor) -> Tensor:
    """Within +-20, so that nothing made of its exponential is infinite; beyond, there is no gradient."""
    return log_ratio_M.clamp(-LARGEST_LOG_RATIO, LARGEST_LOG_RATIO)


def importance_ratio(logprobs_M: Tensor, old_logprobs_M: Tensor) -> Tensor:
    """pi(token) / pi_old(token) = exp(logprobs - old_logprobs), the exponent held within +-20."""
    return hold(logprobs_M - old_logprobs_M).exp()


def token_ratio(tokens: Tokens) -> Tensor:
    """r_t = pi / pi_old of each token (GRPO: arXiv 2402.03300, equation 3)."""
    return importance_ratio(tokens.logprobs_M, tokens.old_logprobs_M)


def sequence_ratio(tokens: Tokens) -> Tensor:
    """s = exp(mean over the response of log r_t), one for all its tokens (GSPO: arXiv 2507.18071, equation 7)."""
    return hold(tokens.mean_over_response(tokens.logprobs_M - tokens.old_logprobs_M)).exp()


def sequence_token_ratio(tokens: Tokens) -> Tensor:
    """sg[s] * pi / sg[pi]: the value of s, with the gradient of the token alone (GSPO-token: equation 14).

    Where the tokens of a response share one advantage, its gradient is GSPO's.
    """
    return sequence_ratio(tokens).detach() * (tokens.logprobs_M - tokens.logprobs_M.detach()).exp()


RATIOS: dict[str, Callable[[Tokens], Tensor]] = {
    "token": token_ratio,
    "sequence": sequence_ratio,
    "sequence_token": sequence_token_ratio,
}
