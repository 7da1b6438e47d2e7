"""Causal attention within packed sequences, where what a group shares is computed once, with its gradient by hand.

A prompt attends to itself once for its group. The queries of a response alone then attend to the keys of the prompt
and its own. Sequences of similar lengths lie in one block, and of each block all heads are one batch of matrix
products: for sequences of a few hundred tokens on a CPU that is faster than a fused kernel, which cannot leave
the prompt's queries out. The probabilities are kept for the backward pass: memory grows with the square of a length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from groupthink.model.llama import Shape
from groupthink.model.spans import Span

SLACK = 8
"""The shortest sequence of a block is at least 1 - 1/SLACK of its longest."""


@dataclass(frozen=True, eq=False, slots=True)
class Block:
    """Spans of similar lengths: n of them, Q queries and K keys each. Queries fold the heads that share keys."""

    queries: Tensor  # int64 [n * Hkv * r * Q]; rows of qkv [N * (H + 2 Hkv), D]
    keys: Tensor  # int64 [n * Hkv * K], likewise
    bias: Tensor  # [n * Hkv, r * Q, K]: 0, or -inf where a query does not see a key
    shape: tuple[int, int, int]  # n * Hkv, r * Q, K


@dataclass(frozen=True, eq=False, slots=True)
class Blocks:
    """How packed tokens attend to each other."""

    blocks: tuple[Block, ...]
    owners: Tensor  # int64 [N * H]; where in the blocks' outputs, laid end to end, a token's head finds its own
    shape: Shape


def make_blocks(spans: Sequence[Span], tokens: int, shape: Shape, dtype: torch.dtype) -> Blocks:
    """Blocks of `spans`, whose queries are each of the `tokens` of the pack exactly once."""
    order = sorted((span for span in spans if len(span.own)), key=lambda span: -len(span.own))
    buckets: list[list[Span]] = []
    for span in order:
        if not buckets or len(span.own) * SLACK < len(buckets[-1][0].own) * (SLACK - 1):
            buckets.append([])
        buckets[-1].append(span)
    H, Hkv, width = shape.heads, shape.kv_heads, shape.heads + 2 * shape.kv_heads
    owners_NH, blocks, start = torch.full((tokens, H), -1), [], 0
    for bucket in buckets:
        n, Q, P = len(bucket), len(bucket[0].own), max(len(span.prompt) for span in bucket)
        own_nQ = pad_sequence([span.own for span in bucket], batch_first=True, padding_value=-1)
        # Prompts end where what is their own begins; what stands before a shorter one is hidden.
        prompt_nP = pad_sequence(
            [span.prompt for span in bucket], batch_first=True, padding_value=-1, padding_side="left"
        )
        there_nP, there_nQ = prompt_nP >= 0, own_nQ >= 0
        before_QK = torch.ones(Q, P + Q, dtype=torch.bool).tril(P)
        seen_nQK = before_QK & torch.cat([there_nP, torch.ones_like(there_nQ)], 1)[:, None]
        bias_nQK = torch.zeros(n, 1, Q, P + Q, dtype=dtype).masked_fill_(~seen_nQK[:, None], -torch.inf)
        heads_nQH = start + (torch.arange(n)[:, None, None] * H + torch.arange(H)) * Q + torch.arange(Q)[:, None]
        owners_NH[own_nQ[there_nQ]] = heads_nQH[there_nQ]
        own_nQ, keys_nK = own_nQ.clamp(min=0), torch.cat([prompt_nP, own_nQ], 1).clamp(min=0)
        blocks.append(
            Block(
                queries=(own_nQ[:, None] * width + torch.arange(H)[:, None]).flatten(),
                keys=(keys_nK[:, None] * width + torch.arange(H, H + Hkv)[:, None]).flatten(),
                bias=bias_nQK.expand(n, H, Q, P + Q).reshape(n * Hkv, -1, P + Q),
                shape=(n * Hkv, H // Hkv * Q, P + Q),
            )
        )
        start += n * H * Q
    assert owners_NH.min() >= 0, "every token is a query of some span"
    return Blocks(tuple(blocks), owners_NH.flatten(), shape)


def attend(qkv: Tensor, blocks: Blocks) -> tuple[Tensor, list[Tensor]]:
    """The outputs [N, H * D] of `qkv` [N, (H + 2 Hkv) * D], and each block's probabilities [n * Hkv, r * Q, K]."""
    shape = blocks.shape
    rows, outputs, laws = qkv.view(-1, shape.head_dim), [], []
    for block in blocks.blocks:
        q, k, v = _gather(rows, block, shape)
        law = torch.baddbmm(block.bias, q, k.transpose(1, 2), alpha=shape.head_dim**-0.5)
        laws.append(torch.softmax(law, -1, out=law))
        outputs.append(torch.bmm(law, v).view(-1, shape.head_dim))
    return torch.cat(outputs).index_select(0, blocks.owners).view(len(qkv), -1), laws


def attend_backward(by_output: Tensor, qkv: Tensor, laws: Sequence[Tensor], blocks: Blocks) -> Tensor:
    """The gradient [N, (H + 2 Hkv) * D] of `attend`'s outputs with respect to `qkv`."""
    shape, scale = blocks.shape, blocks.shape.head_dim**-0.5
    rows, parts, places = qkv.view(-1, shape.head_dim), [], []
    flat = by_output.new_zeros(sum(block.queries.numel() for block in blocks.blocks), shape.head_dim)
    flat[blocks.owners] = by_output.view(-1, shape.head_dim)
    ends = [0]
    for block in blocks.blocks:
        ends.append(ends[-1] + block.queries.numel())
    for (start, end), block, law in zip(pairwise(ends), blocks.blocks, laws, strict=True):
        q, k, v = _gather(rows, block, shape)
        by_o = flat[start:end].view(q.shape)
        by_v = torch.bmm(law.transpose(1, 2), by_o)
        by_score = torch.bmm(by_o, v.transpose(1, 2))
        torch._softmax_backward_data(by_score, law, -1, law.dtype, grad_input=by_score)
        by_score.mul_(scale)
        parts += [torch.bmm(by_score, k), torch.bmm(by_score.transpose(1, 2), q), by_v]
        places += [block.queries, block.keys, block.keys + shape.kv_heads]
    by_rows = torch.zeros_like(rows)
    by_rows.index_add_(0, torch.cat(places), torch.cat([part.view(-1, shape.head_dim) for part in parts]))
    return by_rows.view(qkv.shape)


def _gather(rows: Tensor, block: Block, shape: Shape) -> tuple[Tensor, Tensor, Tensor]:
    """Queries [n * Hkv, r * Q, D], keys and values [n * Hkv, K, D]."""
    batch, queries, keys = block.shape
    q = rows.index_select(0, block.queries).view(batch, queries, -1)
    k = rows.index_select(0, block.keys).view(batch, keys, -1)
    v = rows.index_select(0, block.keys + shape.kv_heads).view(batch, keys, -1)
    return q, k, v
