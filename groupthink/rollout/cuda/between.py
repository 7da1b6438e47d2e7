"""What stands between a step's matrix products, each in one pass over memory.

They round where transformers' own modules round, so that a step in bf16 agrees with the learner's forward pass as far
as two orders of adding can.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor
from triton import next_power_of_2


@triton.jit
def _add_norm(x_ptr, y_ptr, weight_ptr, sum_ptr, out_ptr, H, epsilon, ADDS: tl.constexpr, BLOCK: tl.constexpr):
    start = tl.program_id(0).to(tl.int64) * H
    i = tl.arange(0, BLOCK)
    inside = i < H
    x = tl.load(x_ptr + start + i, mask=inside, other=0.0)
    if ADDS:
        y = tl.load(y_ptr + start + i, mask=inside, other=0.0)
        x = (x.to(tl.float32) + y.to(tl.float32)).to(x.dtype)
        tl.store(sum_ptr + start + i, x, mask=inside)
    wide = x.to(tl.float32)
    scale = 1.0 / tl.sqrt(tl.sum(wide * wide, axis=0) / H + epsilon)
    weight = tl.load(weight_ptr + i, mask=inside, other=0.0)
    normed = (wide * scale).to(x.dtype).to(tl.float32) * weight.to(tl.float32)
    tl.store(out_ptr + start + i, normed.to(x.dtype), mask=inside)


def add_norm(x_NH: Tensor, y_NH: Tensor | None, weight_H: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """x + y (or x where there is no y), and its RMS norm times a weight; both [N, H]."""
    N, H = x_NH.shape
    sum_NH = x_NH if y_NH is None else torch.empty_like(x_NH)
    out_NH = torch.empty_like(x_NH)
    others = (x_NH if y_NH is None else y_NH, weight_H, sum_NH, out_NH)
    _add_norm[(N,)](x_NH, *others, H, epsilon, ADDS=y_NH is not None, BLOCK=next_power_of_2(H), num_warps=4)
    return sum_NH, out_NH


@triton.jit
def _gate(gate_up_ptr, out_ptr, WIDTH, BLOCK: tl.constexpr):
    n = tl.program_id(0).to(tl.int64)
    i = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = i < WIDTH
    gate = tl.load(gate_up_ptr + n * 2 * WIDTH + i, mask=inside, other=0.0)
    up = tl.load(gate_up_ptr + n * 2 * WIDTH + WIDTH + i, mask=inside, other=0.0)
    wide = gate.to(tl.float32)
    opened = (wide / (1.0 + tl.exp(-wide))).to(gate.dtype).to(tl.float32) * up.to(tl.float32)
    tl.store(out_ptr + n * WIDTH + i, opened.to(gate.dtype), mask=inside)


def gate(gate_up_NW: Tensor) -> Tensor:
    """silu(gate) * up, [N, W / 2], of rows that hold all gates and then all that they open."""
    N, width = gate_up_NW.shape[0], gate_up_NW.shape[1] // 2
    out = gate_up_NW.new_empty(N, width)
    block = 1024
    _gate[(N, triton.cdiv(width, block))](gate_up_NW, out, width, BLOCK=block, num_warps=4)
    return out


@triton.jit
def _turn(
    qkv_ptr,
    norms_ptr,
    cosine_ptr,
    sine_ptr,
    rows_ptr,
    positions_ptr,
    alive_ptr,
    tables_ptr,
    turned_ptr,
    pool_ptr,
    table_width,
    epsilon,
    HEADS: tl.constexpr,
    KV_HEADS: tl.constexpr,
    BLOCK: tl.constexpr,
    D: tl.constexpr,
    PAGE: tl.constexpr,
    NORMS: tl.constexpr,
):
    n, kind = tl.program_id(0).to(tl.int64), tl.program_id(1)  # kind: queries, keys, values
    count = tl.where(kind == 0, HEADS, KV_HEADS)
    first = tl.where(kind == 0, 0, HEADS + (kind - 1) * KV_HEADS)
    head, i = tl.arange(0, BLOCK)[:, None], tl.arange(0, D)[None, :]
    inside = (head < count) & (i < D)
    vectors = qkv_ptr + (n * (HEADS + 2 * KV_HEADS) + first + head) * D
    x = tl.load(vectors + i, mask=inside, other=0.0)
    position = tl.load(positions_ptr + n).to(tl.int64)
    if kind < 2:
        dtype = x.dtype
        other = (i + D // 2) % D  # the element that rotation pairs it with
        swapped = tl.load(vectors + other, mask=inside, other=0.0)
        if NORMS:
            wide = x.to(tl.float32)
            scale = 1.0 / tl.sqrt(tl.sum(wide * wide, axis=1) / D + epsilon)[:, None]
            x = ((wide * scale).to(dtype).to(tl.float32) * tl.load(norms_ptr + kind * D + i).to(tl.float32)).to(dtype)
            swapped = (swapped.to(tl.float32) * scale).to(dtype).to(tl.float32)
            swapped = (swapped * tl.load(norms_ptr + kind * D + other).to(tl.float32)).to(dtype)
        cosine = tl.load(cosine_ptr + position * D + i).to(tl.float32)
        sine = tl.load(sine_ptr + position * D + i).to(tl.float32)
        straight = (x.to(tl.float32) * cosine).to(dtype).to(tl.float32)
        across = tl.where(i < D // 2, -swapped.to(tl.float32), swapped.to(tl.float32))
        across = (across * sine).to(dtype).to(tl.float32)
        x = (straight + across).to(dtype)
        tl.store(turned_ptr + (n * (HEADS + KV_HEADS) + first + head) * D + i, x, mask=inside)
    if kind > 0:
        alive = tl.load(alive_ptr + n) > 0
        row = tl.load(rows_ptr + n).to(tl.int64)
        page = tl.load(tables_ptr + row * table_width + position // PAGE, mask=alive, other=0).to(tl.int64)
        place = ((page * 2 + kind - 1) * KV_HEADS + head) * PAGE + position % PAGE
        tl.store(pool_ptr + place * D + i, x, mask=inside & alive)


def turn(
    qkv: Tensor,
    norms: Tensor | None,
    cosine: Tensor,
    sine: Tensor,
    rows_N: Tensor,
    positions_N: Tensor,
    alive_N: Tensor,
    tables: Tensor,
    pool: Tensor,
    *,
    heads: int,
    epsilon: float,
) -> Tensor:
    """Norm and rotate the queries and keys of `qkv` [N, H + 2 Hkv, D], and put keys and values into their pages.

    Gives [N, H + Hkv, D]. `norms`: [2, D], of queries and of keys. `cosine`, `sine`: [positions, D]. Token n stands at
    `positions_N[n]` of the sequence whose pages are `tables[rows_N[n]]`; where it is not `alive_N` it goes nowhere.
    `pool`: [pages, 2, Hkv, PAGE, D].
    """
    N, _, D = qkv.shape
    kv_heads, page = pool.shape[2:4]
    turned = qkv.new_empty(N, heads + kv_heads, D)
    where = (rows_N, positions_N, alive_N, tables, turned, pool, tables.shape[1], epsilon)
    shape = {"HEADS": heads, "KV_HEADS": kv_heads, "BLOCK": next_power_of_2(heads), "D": D, "PAGE": page}
    norms_ = qkv if norms is None else norms
    _turn[(N, 3)](qkv, norms_, cosine, sine, *where, **shape, NORMS=norms is not None, num_warps=4)
    return turned
