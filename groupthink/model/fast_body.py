"""A hand-written forward and backward pass for Llama and Qwen3 over packed tokens; it was written for small models.

In a small model the matrix products of a layer take little longer than what stands between them (`between.py`). Here
that is done in few passes over memory: weights of norms are multiplied into the matrices that follow, products that
share an input are one, and where one thread computes, the rest is C (`native.py`). Used on CPUs, where it agrees with
the model's own passes (`agrees`).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import embedding, rms_norm
from transformers import PreTrainedModel

from groupthink.model.between import Between
from groupthink.model.llama import Shape, knows, qk_norms, shape_of
from groupthink.model.logprobs import is_plain
from groupthink.model.native import NativeBetween, can_compute
from groupthink.model.packing import Packed, pack

TOLERANCE = 1e-4
"""Relative, of hidden states and of gradients: float32 rounds to a hundredth of it, a wrong function is far beyond."""

ROWS = 512
"""Tokens that an MLP works on at a time."""

LONG = 70
"""Tokens of the longest response of the probe: past the queries that C computes at a time."""

LONGEST = 512
"""Tokens of a sequence, up to which what `blocks` keeps for the backward pass is small. (C keeps a number a query.)"""


class FastBody:
    """The hidden states of packed tokens: FastBody(model)(packed) is run_body(model, packed)."""

    def __init__(self, model: PreTrainedModel):
        assert self.knows(model)
        self.model, self.shape = model, shape_of(model)
        config = model.config
        native = can_compute(self.shape, config.hidden_size, config.intermediate_size, model.dtype)
        self.ways: tuple[type[Between], ...] = (Between, NativeBetween) if native else (Between,)

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
        return (self._way() is NativeBetween or packed.longest <= LONGEST) and self.knows(self.model)

    def _way(self) -> type[Between]:
        """C where one thread computes: it is faster than torch's operations, and knows of no second thread."""
        return self.ways[-1] if torch.get_num_threads() == 1 else Between

    def __call__(self, packed: Packed, way: type[Between] | None = None) -> Tensor:
        """[N, hidden], after the last norm. `way`: one of `ways`; None: as it should be now."""
        body, shape = self.model.base_model, self.shape
        x = embedding(packed.token_ids_N, body.embed_tokens.weight)
        with torch.no_grad():
            angles = body.rotary_emb(x, packed.position_ids_N[None])
            cosine, sine = (angle[0, :, : shape.head_dim // 2].contiguous() for angle in angles)
            between = (way or self._way())(packed, shape, cosine, sine)
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
                between,
            )
            x = MlpHalf.apply(
                x,
                layer.post_attention_layernorm.weight,
                mlp.gate_proj.weight,
                mlp.up_proj.weight,
                mlp.down_proj.weight,
                between,
            )
        return rms_norm(x, x.shape[-1:], body.norm.weight, shape.epsilon)


def agrees(fast: FastBody, model: PreTrainedModel, run_body: Callable[[PreTrainedModel, Packed], Tensor]) -> bool:
    """Whether it is, in all its ways, the function that the model's own body is, and has its gradient.

    Asked at load, on a probe.
    """
    rng = np.random.default_rng(0)
    room = getattr(model.config, "max_position_embeddings", None) or 2 * LONG
    longest = LONG if room > LONG + 3 else 5
    draw = [rng.integers(0, model.config.vocab_size, length) for length in (3, 7, longest, 1, 4, 9)]
    parameters = [parameter for parameter in model.base_model.parameters() if parameter.requires_grad]

    def found(hidden_NH: Tensor) -> list[Tensor]:
        weights_NH = torch.linspace(-1, 1, hidden_NH.numel(), dtype=hidden_NH.dtype).view_as(hidden_NH)
        gradients = torch.autograd.grad((weights_NH * hidden_NH).sum(), parameters) if parameters else ()
        return [hidden_NH.detach(), *gradients]

    def same(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
        pairs = zip(found, expected, strict=True)
        return all(bool((own - theirs).norm() <= TOLERANCE * theirs.norm()) for own, theirs in pairs)

    with torch.inference_mode(False), torch.enable_grad():
        packed = pack(draw[:2], draw[2:], [0, 0, 1, 1])
        expected = found(run_body(model, packed))
        return all(same(found(fast(packed, way)), expected) for way in fast.ways)


class AttentionHalf(Function):
    """x + attention(norm(x))"""

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
        between: Between,
    ) -> Tensor:
        normed, scale = between.norm(x)
        qkv = normed @ (torch.cat([wq, wk, wv]) * norm).T
        kept = between.rotate(qkv, _stack(q_norm, k_norm, between.shape))
        attended, laws = between.attend(qkv)
        ctx.save_for_backward(norm, wq, wk, wv, q_norm, k_norm, wo, normed, scale, qkv, attended, *kept, *laws)
        ctx.between, ctx.kept = between, len(kept)
        return torch.addmm(x, attended, wo.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_x: Tensor) -> tuple[Tensor | None, ...]:
        norm, wq, wk, wv, q_norm, k_norm, wo, normed, scale, qkv, attended, *rest = ctx.saved_tensors
        between, by_x = ctx.between, by_x.contiguous()
        kept, laws = rest[: ctx.kept], rest[ctx.kept :]
        by_wo = by_x.T @ attended
        by_qkv = between.attend_backward(by_x @ wo, qkv, attended, laws)
        by_norms = between.rotate_backward(by_qkv, _stack(q_norm, k_norm, between.shape), kept)
        stacked = torch.cat([wq, wk, wv])
        by_product = by_qkv.T @ normed
        by_norm = (by_product * stacked).sum(0)
        by_wqkv = by_product.mul_(norm).split([len(wq), len(wk), len(wv)])
        by_input = between.norm_backward(by_qkv @ stacked.mul_(norm), normed, scale, by_x)
        return by_input, by_norm, *by_wqkv, *_unstack(by_norms, between.shape), by_wo, None


class MlpHalf(Function):
    """x + down(silu(gate(norm(x))) * up(norm(x))), ROWS tokens at a time."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: Tensor, gate: Tensor, up: Tensor, down: Tensor, between: Between) -> Tensor:
        matrices = torch.cat([gate, up]).mul_(norm)
        normed, scale = between.norm(x)
        both, output = x.new_empty(len(x), len(matrices)), torch.empty_like(x)
        for rows in chunks(len(x)):
            torch.mm(normed[rows], matrices.T, out=both[rows])
            torch.addmm(x[rows], between.gate(both[rows]), down.T, out=output[rows])
        ctx.save_for_backward(norm, gate, up, down, scale, normed, both)
        ctx.between = between
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_output: Tensor) -> tuple[Tensor | None, ...]:
        norm, gate, up, down, scale, normed, both = ctx.saved_tensors
        between, by_output = ctx.between, by_output.contiguous()
        weights = torch.cat([gate, up])
        matrices = weights * norm
        by_normed, by_down, by_matrices = torch.empty_like(normed), torch.zeros_like(down), torch.zeros_like(weights)
        for rows in chunks(len(normed)):
            hidden, by_both = between.gate_backward(by_output[rows] @ down, both[rows])
            by_down.addmm_(by_output[rows].T, hidden)
            by_matrices.addmm_(by_both.T, normed[rows])
            torch.mm(by_both, matrices, out=by_normed[rows])
        by_norm = (by_matrices * weights).sum(0)
        by_gate, by_up = by_matrices.mul_(norm).chunk(2)
        return between.norm_backward(by_normed, normed, scale, by_output), by_norm, by_gate, by_up, by_down, None


def chunks(rows: int) -> list[slice]:
    return [slice(start, start + ROWS) for start in range(0, rows, ROWS)]


def _stack(q_norm: Tensor | None, k_norm: Tensor | None, shape: Shape) -> Tensor | None:
    """[H + Hkv, D], a norm for each head."""
    if q_norm is None or k_norm is None:
        return None
    return torch.stack([q_norm] * shape.heads + [k_norm] * shape.kv_heads)


def _unstack(by_norms: Tensor | None, shape: Shape) -> tuple[Tensor | None, Tensor | None]:
    """The gradients of the two norms that `_stack` put together."""
    if by_norms is None:
        return None, None
    return by_norms[: shape.heads].sum(0), by_norms[shape.heads :].sum(0)
