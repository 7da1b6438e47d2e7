"""A hand-written forward pass for Llama and Qwen3: few operations a layer, and no cache object between them.

Used only where `verify.agrees` finds it equal to transformers' own pass.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear, scaled_dot_product_attention
from transformers import PreTrainedModel

from groupthink.model.llama import Shape, inverse_rms, knows, qk_norms, shape_of
from groupthink.rollout.decoder import Unbounded
from groupthink.rollout.sync import different

GROWTH = 8  # room grows by an eighth, and ...
GRAIN = 32  # ... by whole multiples of so many tokens


class Layer(NamedTuple):
    """The weights of a layer: what is applied together laid side by side, norms multiplied into what follows them."""

    qkv: Tensor  # [(H + 2 Hkv) * D, hidden]
    qk_norm: Tensor | None  # [H + Hkv, D]
    out: Tensor
    gate_up: Tensor  # [2 * intermediate, hidden]
    down: Tensor


def fuse(layer: Any, shape: Shape) -> Layer:
    """The weights of one of the model's layers, laid out for decoding."""
    attention, mlp = layer.self_attn, layer.mlp
    qk_norm = None
    if (norms := qk_norms(attention)) is not None:
        qk_norm = torch.cat([norms[0].expand(shape.heads, -1), norms[1].expand(shape.kv_heads, -1)])
    return Layer(
        qkv=torch.cat([part.weight for part in (attention.q_proj, attention.k_proj, attention.v_proj)])
        * layer.input_layernorm.weight,
        qk_norm=qk_norm,
        out=attention.o_proj.weight,
        gate_up=torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * layer.post_attention_layernorm.weight,
        down=mlp.down_proj.weight,
    )


def named(layers: Iterable[Any], **others: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The tensors of layers (named tuples) and of what stands around them, by names such as `layers.0.qkv`."""
    yield from others.items()
    for i, layer in enumerate(layers):
        for part, tensor in layer._asdict().items():
            if tensor is not None:
                yield f"layers.{i}.{part}", tensor


@dataclass(frozen=True, slots=True)
class Rotation:
    """Rotary embedding as x * cos + swap(x) * sin, swap exchanging the halves of x; both are [tokens, 1, D]."""

    cos: Tensor
    sin: Tensor  # its first half negated


class FastDecoder(Unbounded):
    """Keys and values lie in one block for each layer, [2, rows, Hkv, room, D]; row b has `lengths[b]` tokens."""

    def __init__(self, model: PreTrainedModel):
        assert knows(model)
        self.model = model
        self.heads, self.kv_heads, self.head_dim, self.epsilon = shape_of(model)
        self.scaling = self.head_dim**-0.5
        self.activation: Callable[[Tensor], Tensor] = model.base_model.layers[0].mlp.act_fn
        self.live, self.lengths = 0, np.zeros(0, np.int64)
        self.refresh()
        self.release()

    @torch.inference_mode()
    def refresh(self) -> None:
        self.layers = [*self._fused()]
        self.embedding, self.head, self.norm = self._around()

    @torch.inference_mode()
    def stale(self) -> list[str]:
        embedding, head, norm = self._around()
        held = named(self.layers, embedding=self.embedding, head=self.head, norm=self.norm)
        return different(held, named(self._fused(), embedding=embedding, head=head, norm=norm))

    def release(self) -> None:
        assert not self.live
        self.room = 0
        self.caches: list[Tensor] = []

    @torch.inference_mode()
    def admit(self, prompts: Sequence[np.ndarray], copies: Sequence[int]) -> Tensor:
        lengths = np.array([len(prompt) for prompt in prompts])
        longest, rows = int(lengths.max()), sum(copies)
        self._reserve(self.live + rows, longest + 1)
        device = self.embedding.device
        token_ids = np.zeros((len(prompts), longest), np.int64)  # padded at the end, where causality hides it
        for row, prompt in zip(token_ids, prompts, strict=True):
            row[: len(prompt)] = prompt
        source = torch.from_numpy(np.repeat(np.arange(len(prompts)), copies)).to(device)
        place = slice(self.live, self.live + rows)
        shape = (len(prompts), longest)

        def attend(cache: Tensor, qkv: Tensor) -> Tensor:
            heads = qkv.unflatten(0, shape).transpose(1, 2)  # [P, H + 2 Hkv, L, D]
            q, k, v = heads.split((self.heads, self.kv_heads, self.kv_heads), dim=1)
            cache[0, place, :, :longest], cache[1, place, :, :longest] = k[source], v[source]
            output = scaled_dot_product_attention(q, k, v, is_causal=True, scale=self.scaling, enable_gqa=True)
            return output.transpose(1, 2).reshape(len(prompts) * longest, -1)

        positions = torch.arange(longest, device=device).repeat(len(prompts))
        hidden = self._layers(torch.from_numpy(token_ids).to(device).flatten(), positions, attend)
        last = torch.from_numpy(np.arange(len(prompts)) * longest + lengths - 1).to(device)
        self.lengths = np.concatenate([self.lengths[: self.live], np.repeat(lengths, copies)])
        self.live += rows
        return self._logits(hidden[last])[source]

    @torch.inference_mode()
    def decode(self, token_ids_B: Tensor) -> Tensor:
        B, D, device = self.live, self.head_dim, self.embedding.device
        longest = int(self.lengths.max()) + 1
        self._reserve(B, longest)
        positions = torch.from_numpy(self.lengths.copy()).to(device)
        rows = torch.arange(B, device=device)
        bias = None
        if self.lengths.min() + 1 < longest:
            hidden_BL = torch.arange(longest, device=device) > positions[:, None]
            bias = torch.zeros(hidden_BL.shape, dtype=self.embedding.dtype, device=device)
            bias = bias.masked_fill_(hidden_BL, -torch.inf).repeat_interleave(self.kv_heads, 0)[:, None]

        def attend(cache: Tensor, qkv: Tensor) -> Tensor:
            cache[:, rows, :, positions] = qkv[:, self.heads :].unflatten(1, (2, self.kv_heads))
            keys, values = cache[:, :B].flatten(1, 2)[:, :, :longest].unbind(0)  # each [B * Hkv, L, D]
            q = qkv[:, : self.heads].reshape(B * self.kv_heads, -1, D)
            if bias is None:
                scores = torch.bmm(q, keys.transpose(1, 2)).mul_(self.scaling)
            else:
                scores = torch.baddbmm(bias, q, keys.transpose(1, 2), alpha=self.scaling)
            return torch.bmm(scores.softmax(-1), values).view(B, -1)

        hidden = self._layers(token_ids_B, positions, attend)
        self.lengths += 1
        return self._logits(hidden)

    @torch.inference_mode()
    def move(self, sources: list[int], targets: list[int], live: int) -> None:
        if sources:
            longest = int(self.lengths[sources].max())
            for cache in self.caches:
                cache[:, targets, :, :longest] = cache[:, sources, :, :longest]
            self.lengths[targets] = self.lengths[sources]
        self.live, self.lengths = live, self.lengths[:live]

    def _fused(self) -> Iterator[Layer]:
        """The model's layers as its weights now make them, one at a time."""
        return (fuse(layer, shape_of(self.model)) for layer in self.model.base_model.layers)

    def _around(self) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding, head and the norm before it, which are the model's own."""
        model = self.model
        return model.get_input_embeddings().weight, model.get_output_embeddings().weight, model.base_model.norm.weight

    def _layers(self, token_ids_N: Tensor, positions_N: Tensor, attend: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The hidden states [N, hidden]; `attend` turns a cache and [N, H + 2 Hkv, D] into [N, H * D]."""
        cos, sin = self.rotation.cos[positions_N], self.rotation.sin[positions_N]
        rotated, D = self.heads + self.kv_heads, self.head_dim
        x = self.embedding[token_ids_N]
        for layer, cache in zip(self.layers, self.caches, strict=True):
            qkv = linear(x * inverse_rms(x, self.epsilon), layer.qkv).view(len(x), -1, D)
            qk = qkv[:, :rotated]
            if layer.qk_norm is not None:
                qk = (qk * inverse_rms(qk, self.epsilon)).mul_(layer.qk_norm)
            torch.addcmul(qk * cos, qk.roll(D // 2, -1), sin, out=qkv[:, :rotated])
            x = torch.addmm(x, attend(cache, qkv), layer.out.T)
            gate, up = linear(x * inverse_rms(x, self.epsilon), layer.gate_up).chunk(2, -1)
            x = torch.addmm(x, self.activation(gate).mul_(up), layer.down.T)
        return x

    def _logits(self, hidden: Tensor) -> Tensor:
        return linear((hidden * inverse_rms(hidden, self.epsilon)).mul_(self.norm), self.head)

    def _reserve(self, rows: int, tokens: int) -> None:
        """Make the caches large enough, keeping what is in them.

        They follow the longest sequence closely: attention reads the first tokens of every row, and a CPU
        takes as long over the gaps as over what it needs.
        """
        held = self.caches[0].shape[1] if self.caches else 0
        if rows <= held and tokens <= self.room:
            return
        room = max(self.room, tokens)
        if tokens > self.room:
            room = -(-(tokens + tokens // GROWTH) // GRAIN) * GRAIN
        # Zeros, not just any memory: what lies past a row's end gets weight 0, and 0 times NaN is NaN.
        shape, like = (2, max(rows, held), self.kv_heads, room, self.head_dim), self.embedding
        self.caches = self.caches or [like.new_zeros(0)] * len(self.layers)
        for i, old in enumerate(self.caches):
            self.caches[i] = like.new_zeros(shape)
            if self.live:
                self.caches[i][:, : self.live, :, : self.room] = old[:, : self.live]
        self.room = room
        cos, sin = self.model.base_model.rotary_emb(like, torch.arange(room, device=like.device)[None])
        half = self.head_dim // 2
        self.rotation = Rotation(cos[0][:, None], torch.cat([-sin[..., :half], sin[..., half:]], -1)[0][:, None])
