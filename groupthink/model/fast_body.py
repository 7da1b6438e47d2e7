"""A hand-written forward and backward pass for Llama and Qwen3 over packed tokens, for models that are small.

In a small model the matrix products of a layer take little longer than what stands between them. Here that is done in
few passes over memory: weights of norms are multiplied into the matrices that follow, a rotation is one product of
complex numbers, products that share an input are one, and attention is that of `blocks`. Used on CPUs, where it
agrees with the model's own passes (`agrees`).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding, rms_norm
from transformers import PreTrainedModel

from groupthink.model.blocks import Blocks, attend, attend_backward, make_blocks
from groupthink.model.llama import Shape, inverse_rms, knows, qk_norms, shape_of
from groupthink.model.logprobs import is_plain
from groupthink.model.packing import Packed, pack

TOLERANCE = 1e-4
"""Relative, of hidden states and of gradients: float32 rounds to a hundredth of it, a wrong function is far beyond."""

ROWS = 1024
"""Tokens that an MLP works on at a time."""

LONGEST = 512
"""Tokens of a sequence, up to which what `blocks` keeps for the backward pass is small."""


class FastBody:
    """The hidden states of packed tokens: FastBody(model)(packed) is run_body(model, packed)."""

    def __init__(self, model: PreTrainedModel):
        assert self.knows(model)
        self.model, self.shape = model, shape_of(model)

    @staticmethod
    def knows(model: PreTrainedModel) -> bool:
        """Whether every part of the model is what is written out here, and nothing wraps it."""
        if not knows(model) or model.device.type != "cpu" or model.dtype not in (torch.float32, torch.float64):
            return False
        if model.config.hidden_act != "silu":
            return False
        layers = model.base_model.layers
        linears = [module for layer in layers for module in layer.modules() if isinstance(module, nn.Linear)]
        untouched = all("forward" not in vars(module) for layer in layers for module in layer.modules())
        return untouched and len(linears) == 7 * len(layers) and all(map(is_plain, linears))

    def takes(self, packed: Packed) -> bool:
        """Whether it is for these tokens, and for the model as it now is: it may have been wrapped since."""
        return packed.longest <= LONGEST and self.knows(self.model)

    def __call__(self, packed: Packed) -> Tensor:
        """[N, hidden], after the last norm."""
        body, shape = self.model.base_model, self.shape
        x = embedding(packed.token_ids_N, body.embed_tokens.weight)
        blocks = make_blocks(packed.spans, len(x), shape, x.dtype)
        with torch.no_grad():
            cos, sin = body.rotary_emb(x, packed.position_ids_N[None])
            half = shape.head_dim // 2
            rotation = torch.complex(cos[0, :, :half], sin[0, :, :half])[:, None]
        for layer in body.layers:
            attention, mlp = layer.self_attn, layer.mlp
            q_norm, k_norm = qk_norms(attention) or (None, None)
            x = AttentionHalf.apply(
                x,
                layer.input_layernorm.weight,
                attention.q_proj.weight,
                attention.k_proj.weight,
                attention.v_proj.weight,
                q_norm,
                k_norm,
                attention.o_proj.weight,
                rotation,
                blocks,
            )
            x = MlpHalf.apply(
                x,
                layer.post_attention_layernorm.weight,
                mlp.gate_proj.weight,
                mlp.up_proj.weight,
                mlp.down_proj.weight,
                shape.epsilon,
            )
        return rms_norm(x, x.shape[-1:], body.norm.weight, shape.epsilon)


def agrees(fast: FastBody, model: PreTrainedModel, run_body: Callable[[PreTrainedModel, Packed], Tensor]) -> bool:
    """Whether it is the function that the model's own body is, and has its gradient: asked at load, on a probe."""
    rng = np.random.default_rng(0)
    draw = [rng.integers(0, model.config.vocab_size, length) for length in (3, 7, 5, 1, 4, 9)]
    parameters = [parameter for parameter in model.base_model.parameters() if parameter.requires_grad]

    def found(hidden_NH: Tensor) -> list[Tensor]:
        weights_NH = torch.linspace(-1, 1, hidden_NH.numel(), dtype=hidden_NH.dtype).view_as(hidden_NH)
        gradients = torch.autograd.grad((weights_NH * hidden_NH).sum(), parameters) if parameters else ()
        return [hidden_NH.detach(), *gradients]

    with torch.inference_mode(False), torch.enable_grad():
        packed = pack(draw[:2], draw[2:], [0, 0, 1, 1])
        pairs = zip(found(fast(packed)), found(run_body(model, packed)), strict=True)
        return all(bool((own - theirs).norm() <= TOLERANCE * theirs.norm()) for own, theirs in pairs)


class AttentionHalf(Function):
    """x + attention(norm(x)). Queries and keys have their halves interleaved, so that a pair is a complex number."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        norm: Tensor,
        wq: Tensor,
        wk: Tensor,
        wv: Tensor,
        q_norm: Tensor | None,
        k_norm: Tensor | None,
        wo: Tensor,
        rotation: Tensor,
        blocks: Blocks,
    ) -> Tensor:
        shape = blocks.shape
        scale = inverse_rms(x, shape.epsilon)
        normed = x * scale
        qkv = normed @ (_stack(wq, wk, wv, shape) * norm).T
        qk = qkv[:, : shape.rotated * shape.head_dim].unflatten(1, (shape.rotated, shape.head_dim))
        qk_normed = qk_scale = None
        turned = qk
        if q_norm is not None and k_norm is not None:
            qk_scale = inverse_rms(qk, shape.epsilon)
            qk_normed = qk * qk_scale
            turned = qk_normed * _stack_norms(q_norm, k_norm, shape)
        torch.mul(_pairs(turned), rotation, out=_pairs(qk))
        attended, laws = attend(qkv, blocks)
        ctx.save_for_backward(
            norm, wq, wk, wv, q_norm, k_norm, wo, rotation, scale, normed, qk_scale, qk_normed, qkv, attended, *laws
        )
        ctx.blocks = blocks
        return torch.addmm(x, attended, wo.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_x: Tensor) -> tuple[Tensor | None, ...]:
        norm, wq, wk, wv, q_norm, k_norm, wo, rotation, scale, normed, qk_scale, qk_normed, qkv, attended, *laws = (
            ctx.saved_tensors
        )
        blocks, shape = ctx.blocks, ctx.blocks.shape
        by_wo = by_x.T @ attended
        by_qkv = attend_backward(by_x @ wo, qkv, laws, blocks)
        by_qk = by_qkv[:, : shape.rotated * shape.head_dim].unflatten(1, (shape.rotated, shape.head_dim))
        torch.mul(_pairs(by_qk), rotation.conj(), out=_pairs(by_qk))
        by_q_norm = by_k_norm = None
        if qk_normed is not None:
            by_norms = _interleaved((by_qk * qk_normed).sum(0), back=True)
            by_q_norm, by_k_norm = by_norms[: shape.heads].sum(0), by_norms[shape.heads :].sum(0)
            by_normed = by_qk * _stack_norms(q_norm, k_norm, shape)
            by_qk.copy_(rms_backward(by_normed, qk_normed, qk_scale))
        stacked = _stack(wq, wk, wv, shape)
        by_product = by_qkv.T @ normed
        by_norm = (by_product * stacked).sum(0)
        by_stacked = by_product.mul_(norm)
        by_input = rms_backward(by_qkv @ (stacked * norm), normed, scale).add_(by_x)
        return (by_input, by_norm, *_unstack(by_stacked, shape), by_q_norm, by_k_norm, by_wo, None, None)


class MlpHalf(Function):
    """x + down(silu(gate(norm(x))) * up(norm(x))), ROWS tokens at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: Tensor, gate: Tensor, up: Tensor, down: Tensor, epsilon: float) -> Tensor:
        by_gate, by_up = gate * norm, up * norm
        scale, normed, output = inverse_rms(x, epsilon), torch.empty_like(x), torch.empty_like(x)
        gates, ups, open_ = (x.new_empty(len(x), len(gate)) for _ in range(3))
        for rows in chunks(len(x)):
            torch.mul(x[rows], scale[rows], out=normed[rows])
            torch.mm(normed[rows], by_gate.T, out=gates[rows])
            torch.mm(normed[rows], by_up.T, out=ups[rows])
            torch.sigmoid(gates[rows], out=open_[rows])
            hidden = (gates[rows] * open_[rows]).mul_(ups[rows])
            torch.addmm(x[rows], hidden, down.T, out=output[rows])
        ctx.save_for_backward(norm, gate, up, down, scale, normed, gates, ups, open_)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor | None, ...]:
        norm, gate, up, down, scale, normed, gates, ups, open_ = ctx.saved_tensors
        matrices = (gate * norm, up * norm)
        by_x, by_down, by_gate, by_up = map(torch.zeros_like, (normed, down, gate, up))
        for rows in chunks(len(normed)):
            by_hidden = by_output[rows] @ down
            activated = gates[rows] * open_[rows]
            by_ups = by_hidden * activated
            # With s the sigmoid of g: (g s)' = s + g s (1 - s).
            slope = torch.addcmul(open_[rows], activated, 1 - open_[rows])
            by_gates = by_hidden.mul_(ups[rows]).mul_(slope)
            by_down.addmm_(by_output[rows].T, activated.mul_(ups[rows]))
            by_gate.addmm_(by_gates.T, normed[rows])
            by_up.addmm_(by_ups.T, normed[rows])
            by_normed = torch.mm(by_gates, matrices[0], out=by_x[rows]).addmm_(by_ups, matrices[1])
            rms_backward(by_normed, normed[rows], scale[rows]).add_(by_output[rows])
        by_norm = (by_gate * gate).sum(0).add_((by_up * up).sum(0))
        return by_x, by_norm, by_gate.mul_(norm), by_up.mul_(norm), by_down, None


def chunks(rows: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, rows, ROWS)]


def rms_backward(by_normed: Tensor, normed: Tensor, scale: Tensor) -> Tensor:
    """The gradient with respect to x, where normed = x * scale and scale = inverse_rms(x); overwrites `by_normed`."""
    along = torch.linalg.vecdot(by_normed, normed).div_(normed.shape[-1]).unsqueeze(-1)
    return by_normed.addcmul_(normed, along, value=-1).mul_(scale)


def _interleaved(rows: Tensor, *, back: bool = False) -> Tensor:
    """The last dimension [0 .. D) as 0, D/2, 1, D/2 + 1, ...: halves that were rotated together become pairs."""
    halves = rows.unflatten(-1, (-1, 2) if back else (2, -1))
    return halves.transpose(-1, -2).flatten(-2)


def _stack(wq: Tensor, wk: Tensor, wv: Tensor, shape: Shape) -> Tensor:
    """[(H + 2 Hkv) * D, hidden]: the three matrices, rows of queries and keys interleaved in each head."""
    qk = torch.cat([wq, wk]).view(shape.rotated, shape.head_dim, -1)
    return torch.cat([_interleaved(qk.transpose(1, 2)).transpose(1, 2).reshape(-1, wq.shape[1]), wv])


def _unstack(by_stacked: Tensor, shape: Shape) -> tuple[Tensor, ...]:
    """What `_stack` put together, apart again."""
    ends = (shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim, shape.kv_heads * shape.head_dim)
    q, k, v = by_stacked.split(ends)

    def apart(rows: Tensor) -> Tensor:
        heads = rows.view(-1, shape.head_dim, rows.shape[1])
        return _interleaved(heads.transpose(1, 2), back=True).transpose(1, 2).reshape(rows.shape)

    return apart(q), apart(k), v


def _stack_norms(q_norm: Tensor, k_norm: Tensor, shape: Shape) -> Tensor:
    """[H + Hkv, D]"""
    norms = torch.stack([q_norm] * shape.heads + [k_norm] * shape.kv_heads)
    return _interleaved(norms)


def _pairs(x: Tensor) -> Tensor:
    """[..., D] as complex [..., D/2], of the same memory."""
    return torch.view_as_complex(x.unflatten(-1, (-1, 2)))
