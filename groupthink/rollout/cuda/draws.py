"""A token for each row, drawn from its whole law or the likeliest, without a further pass over a law in memory.

The vocabulary is cut into blocks. One kernel finds each block's share of the probability; another picks the block in
which a uniform draw falls, and the token within it. Shares are added in float64.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton import next_power_of_2

BLOCK = 4096
"""Tokens of a block."""


@triton.jit
def _shares(logits_ptr, temperature_ptr, largest_ptr, share_ptr, V, stride, BLOCKS, BLOCK: tl.constexpr):
    b, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    i = block * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(logits_ptr + b * stride + i, mask=i < V, other=-float("inf")).to(tl.float32)
    x = x / tl.load(temperature_ptr + b)
    largest = tl.max(x, axis=0)
    base = tl.where(largest > -float("inf"), largest, 0.0)
    tl.store(largest_ptr + b * BLOCKS + block, largest)
    tl.store(share_ptr + b * BLOCKS + block, tl.sum(tl.exp(x - base), axis=0))


@triton.jit
def _pick(
    logits_ptr,
    temperature_ptr,
    greedy_ptr,
    uniform_ptr,
    largest_ptr,
    share_ptr,
    is_stop_ptr,
    token_ptr,
    alive_ptr,
    left_ptr,
    drawn_ptr,
    ids_ptr,
    logprobs_ptr,
    drawn_logprobs_ptr,
    V,
    stride,
    BLOCKS,
    PADDED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    b = tl.program_id(0).to(tl.int64)
    alive = tl.load(alive_ptr + b) > 0
    greedy = tl.load(greedy_ptr + b) > 0
    temperature = tl.load(temperature_ptr + b)
    j = tl.arange(0, PADDED)
    largest = tl.load(largest_ptr + b * BLOCKS + j, mask=j < BLOCKS, other=-float("inf"))
    share = tl.load(share_ptr + b * BLOCKS + j, mask=j < BLOCKS, other=0.0).to(tl.float64)
    top = tl.max(largest, axis=0)
    share = share * tl.exp((largest - top).to(tl.float64))
    share = tl.where(largest > -float("inf"), share, 0.0)
    total = tl.sum(share, axis=0)
    law = top + tl.log(total).to(tl.float32)  # what a logit is less, to be a log-probability
    target = tl.load(uniform_ptr + b) * total
    until = tl.cumsum(share, axis=0)
    last = tl.max(tl.where(share > 0, j, 0), axis=0)
    block = tl.minimum(tl.sum((until <= target).to(tl.int32), axis=0), last)
    block = tl.where(greedy, tl.min(tl.where(largest == top, j, PADDED - 1), axis=0), block)
    block = tl.minimum(block, BLOCKS - 1)
    before = tl.sum(tl.where(j < block, share, 0.0), axis=0)
    its_largest = tl.sum(tl.where(j == block, largest, 0.0), axis=0)

    i = tl.arange(0, BLOCK)
    place = block * BLOCK + i
    x = tl.load(logits_ptr + b * stride + place, mask=place < V, other=-float("inf")).to(tl.float32) / temperature
    p = tl.exp(x - its_largest)
    within = ((target - before) * tl.exp((top - its_largest).to(tl.float64))).to(tl.float32)
    reached = tl.sum((tl.cumsum(p, axis=0) <= within).to(tl.int32), axis=0)
    chosen = tl.minimum(reached, tl.max(tl.where(p > 0, i, 0), axis=0))
    chosen = tl.where(greedy, tl.min(tl.where(x == its_largest, i, BLOCK - 1), axis=0), chosen)
    token = tl.minimum(block * BLOCK + chosen, V - 1)
    logit = tl.load(logits_ptr + b * stride + token).to(tl.float32) / temperature
    logprob = logit - law

    left = tl.load(left_ptr + b) - 1
    stops = tl.load(is_stop_ptr + token) > 0
    tl.store(token_ptr + b, token.to(tl.int64), mask=alive)
    tl.store(ids_ptr + b, token.to(tl.int64), mask=alive)
    tl.store(logprobs_ptr + b, logprob, mask=alive)
    tl.store(drawn_logprobs_ptr + b, tl.where(greedy, logprob - logprob, logprob), mask=alive)
    tl.store(drawn_ptr + b, tl.load(drawn_ptr + b) + 1, mask=alive)
    tl.store(left_ptr + b, left, mask=alive)
    tl.store(alive_ptr + b, ((left > 0) & (stops == 0)).to(tl.int32), mask=alive)


def draw(
    logits_BV: Tensor,
    temperature_B: Tensor,
    greedy_B: Tensor,
    uniform_B: Tensor,
    is_stop_V: Tensor,
    *,
    token_ids_B: Tensor,
    alive_B: Tensor,
    left_B: Tensor,
    drawn_B: Tensor,
    written: tuple[Tensor, Tensor, Tensor],
) -> None:
    """Draw a token for each row that is alive, by a draw `uniform_B` from [0, 1), float64, or the likeliest.

    It goes to `token_ids_B`; into the columns `written` go id, log-probability under the learner's law, and under the
    law that drew. `drawn_B` counts it, `left_B` counts down; at 0, or at a stop, the row is alive no longer. Where a
    law is not finite its log-probability, NaN, says so.
    """
    B, V = logits_BV.shape
    blocks = triton.cdiv(V, BLOCK)
    largest, share = torch.empty(2, B, blocks, dtype=torch.float32, device=logits_BV.device)
    stride = logits_BV.stride(0)
    _shares[(B, blocks)](logits_BV, temperature_B, largest, share, V, stride, blocks, BLOCK=BLOCK, num_warps=8)
    law = (logits_BV, temperature_B, greedy_B, uniform_B, largest, share, is_stop_V)
    state = (token_ids_B, alive_B, left_B, drawn_B)
    padded = max(16, next_power_of_2(blocks))
    _pick[(B,)](*law, *state, *written, V, stride, blocks, PADDED=padded, BLOCK=BLOCK, num_warps=8)
