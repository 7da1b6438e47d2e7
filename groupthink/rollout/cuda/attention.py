"""Attention of one new token a row to all that its row holds, in pages."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton import next_power_of_2

LEAST_QUERIES = 16
"""Rows of the smallest product that a tensor core makes: fewer queries are filled up."""

STAGES, WARPS = 4, 4


@triton.jit
def _attend(
    turned_ptr,
    pool_ptr,
    tables_ptr,
    lengths_ptr,
    alive_ptr,
    order_ptr,
    out_ptr,
    largest_ptr,
    total_ptr,
    scaling,
    table_width,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    GROUP: tl.constexpr,
    QUERIES: tl.constexpr,
    D: tl.constexpr,
    PAGE: tl.constexpr,
    SPLITS: tl.constexpr,
    PRECISION: tl.constexpr,
):
    kv_head, split = tl.program_id(0), tl.program_id(1)
    b = tl.load(order_ptr + tl.program_id(2)).to(tl.int64)
    length = tl.load(lengths_ptr + b) + 1  # with the new token
    length = tl.where(tl.load(alive_ptr + b) > 0, length, 0)
    each = tl.cdiv(tl.cdiv(length, PAGE), SPLITS)
    first = split * each
    last = tl.minimum(first + each, tl.cdiv(length, PAGE))
    g, i, t = tl.arange(0, QUERIES), tl.arange(0, D), tl.arange(0, PAGE)
    heads = kv_head * GROUP + g
    queries = turned_ptr + (b * (HEADS + KV_HEADS) + heads[:, None]) * D + i[None, :]
    q = tl.load(queries, mask=(g < GROUP)[:, None], other=0.0)
    largest = tl.full((QUERIES,), -float("inf"), tl.float32)
    total = tl.zeros((QUERIES,), tl.float32)
    sum_ = tl.zeros((QUERIES, D), tl.float32)
    for p in range(first, last):
        page = tl.load(tables_ptr + b * table_width + p).to(tl.int64)
        base = pool_ptr + (page * 2 * KV_HEADS + kv_head) * PAGE * D
        k = tl.load(base + t[None, :] * D + i[:, None])  # [D, PAGE]
        scores = tl.dot(q, k, input_precision=PRECISION) * scaling
        scores = tl.where((p * PAGE + t < length)[None, :], scores, -float("inf"))
        now = tl.maximum(largest, tl.max(scores, axis=1))
        shrink = tl.exp(largest - now)
        weights = tl.exp(scores - now[:, None])
        total = total * shrink + tl.sum(weights, axis=1)
        v = tl.load(base + KV_HEADS * PAGE * D + t[:, None] * D + i[None, :])
        sum_ = sum_ * shrink[:, None] + tl.dot(weights.to(v.dtype), v, input_precision=PRECISION)
        largest = now
    kept = g < GROUP
    if SPLITS == 1:
        out = sum_ / tl.where(total > 0, total, 1.0)[:, None]
        tl.store(out_ptr + (b * HEADS + heads[:, None]) * D + i[None, :], out, mask=kept[:, None])
    else:
        part = (b * HEADS + heads) * SPLITS + split
        tl.store(out_ptr + part[:, None] * D + i[None, :], sum_, mask=kept[:, None])
        tl.store(largest_ptr + part, largest, mask=kept)
        tl.store(total_ptr + part, total, mask=kept)


@triton.jit
def _join(parts_ptr, largest_ptr, total_ptr, out_ptr, D: tl.constexpr, SPLITS: tl.constexpr):
    one = (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)).to(tl.int64)
    s, i = tl.arange(0, SPLITS), tl.arange(0, D)
    largest = tl.load(largest_ptr + one * SPLITS + s)
    top = tl.max(largest, axis=0)
    share = tl.where(largest > -float("inf"), tl.exp(largest - top), 0.0)
    total = tl.sum(share * tl.load(total_ptr + one * SPLITS + s), axis=0)
    parts = tl.load(parts_ptr + (one * SPLITS + s[:, None]) * D + i[None, :])
    out = tl.sum(parts * share[:, None], axis=0) / tl.where(total > 0, total, 1.0)
    tl.store(out_ptr + one * D + i, out)


def attend(
    turned: Tensor,
    pool: Tensor,
    tables: Tensor,
    lengths_B: Tensor,
    alive_B: Tensor,
    order_B: Tensor,
    *,
    heads: int,
    scaling: float,
    splits: int,
) -> Tensor:
    """The outputs [B, H * D] of a new token for each row; its key and value are in the pages already.

    `turned`: [B, H + Hkv, D], queries first. Row b has `lengths_B[b]` tokens before the new one, in the pages
    `tables[b]` of `pool` [pages, 2, Hkv, PAGE, D]. They are begun in the order of `order_B`: with the longest first,
    none is left to run on alone. `splits` (a power of 2): in so many parts each row is worked through side by side,
    which few rows need to fill a GPU.
    """
    B, _, D = turned.shape
    kv_heads, page = pool.shape[2:4]
    group = heads // kv_heads
    out = turned.new_empty(B, heads * D)
    shape: dict[str, Any] = {
        "HEADS": heads,
        "KV_HEADS": kv_heads,
        "GROUP": group,
        "D": D,
        "PAGE": page,
        "SPLITS": splits,
    }
    shape |= {"QUERIES": max(LEAST_QUERIES, next_power_of_2(group))}
    shape |= {"PRECISION": "ieee" if turned.dtype == torch.float32 else "tf32"}  # which lower precisions ignore
    parts, largest, total = out, out, out
    if splits > 1:
        parts = torch.empty(B, heads, splits, D, dtype=torch.float32, device=out.device)
        largest, total = torch.empty(2, B, heads, splits, dtype=torch.float32, device=out.device)
    pointers = (turned, pool, tables, lengths_B, alive_B, order_B, parts, largest, total, scaling, tables.shape[1])
    _attend[(kv_heads, splits, B)](*pointers, **shape, num_stages=STAGES, num_warps=WARPS)
    if splits > 1:
        _join[(B, heads)](parts, largest, total, out, D=D, SPLITS=splits, num_warps=1)
    return out
