"""The law that the next token is drawn from, and the draw. Pure functions of tensors."""

import torch
from torch import Tensor


def learner_law(logits_BV: Tensor, temperature_B: Tensor) -> Tensor:
    """log_softmax(logits / temperature), float32 [B, V] in nats: what the learner moves, and what is recorded."""
    return torch.log_softmax(logits_BV.float() / temperature_B[:, None], dim=-1)


def narrow(logprobs_BV: Tensor, top_k_B: Tensor, top_p_B: Tensor) -> Tensor:
    """The law [B, V] of the `top_k` likeliest tokens, and of these the fewest that hold the share `top_p`, in nats.

    `top_k` 0 and `top_p` 1 leave all in. Of equally likely tokens the one with the lower id comes first, so
    `top_k` 1 is greedy decoding.
    """
    sorted_BV, order_BV = logprobs_BV.double().sort(dim=-1, descending=True, stable=True)
    rank_V = torch.arange(logprobs_BV.shape[-1], device=logprobs_BV.device)
    left_out_BV = (top_k_B[:, None] > 0) & (rank_V >= top_k_B[:, None])
    shares_BV = sorted_BV.masked_fill(left_out_BV, -torch.inf).softmax(-1)
    before_BV = shares_BV.cumsum(-1) - shares_BV
    left_out_BV |= (top_p_B[:, None] < 1) & (before_BV >= top_p_B[:, None])
    narrowed_BV = sorted_BV.masked_fill(left_out_BV, -torch.inf).log_softmax(-1)
    return torch.empty_like(narrowed_BV).scatter_(-1, order_BV, narrowed_BV).to(logprobs_BV.dtype)


def draw(logprobs_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """Token ids [B], int64, by the inverse of the cumulative law: the first at which it exceeds the uniform draw.

    From a law that is not finite the last id is drawn: its log-probability, NaN, says so.
    """
    cumulative_BV = logprobs_BV.double().exp_().cumsum_(dim=-1)
    # The total may miss 1 by rounding; tokens of probability 0 never exceed what came before them.
    drawn_B1 = torch.searchsorted(cumulative_BV, uniform_B[:, None] * cumulative_BV[:, -1:], right=True)
    return drawn_B1[:, 0].clamp_(max=logprobs_BV.shape[-1] - 1)
