"""A model's weights as a step on a GPU multiplies by them: what is applied together laid side by side."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel

from groupthink.model.llama import qk_norms
from groupthink.rollout.fast import named

COPIED = ("qkv", "qk_norms", "gate_up")
"""The parts of a layer that are copies. All else is the model's own."""


class Layer(NamedTuple):
    """The weights of a layer."""

    before_attention: Tensor  # [hidden], of the norm
    qkv: Tensor  # [(H + 2 Hkv) * D, hidden]
    qk_norms: Tensor | None  # [2, D], of queries and of keys
    out: Tensor
    before_mlp: Tensor
    gate_up: Tensor  # [2 * intermediate, hidden]
    down: Tensor


class Layout(NamedTuple):
    """All that a step multiplies by."""

    embedding: Tensor
    head: Tensor
    norm: Tensor
    layers: tuple[Layer, ...]


def lay_out(model: PreTrainedModel) -> Layout:
    """The weights of a model as they are now."""
    return Layout(*_around(model), tuple(map(_layer, model.base_model.layers)))


def follow(held: Layout, model: PreTrainedModel) -> bool:
    """Bring the copies up to date, where they lie; False where the model's own tensors are others now."""
    followed = True
    for (name, own), (_, now) in zip(tensors(held), of_model(model), strict=True):
        if name.endswith(COPIED):
            own.copy_(now)
        elif own.data_ptr() != now.data_ptr():
            followed = False
    return followed


def tensors(layout: Layout) -> Iterator[tuple[str, Tensor]]:
    """Every tensor, by a name such as `layers.0.qkv`."""
    return named(layout.layers, embedding=layout.embedding, head=layout.head, norm=layout.norm)


def of_model(model: PreTrainedModel) -> Iterator[tuple[str, Tensor]]:
    """What `tensors` gives of the weights as they are now. One layer's copies are held at a time."""
    embedding, head, norm = _around(model)
    return named(map(_layer, model.base_model.layers), embedding=embedding, head=head, norm=norm)


def _around(model: PreTrainedModel) -> tuple[Tensor, Tensor, Tensor]:
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    return embedding.detach(), head.detach(), model.base_model.norm.weight.detach()


def _layer(layer: Any) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    norms = qk_norms(attention)
    return Layer(
        before_attention=layer.input_layernorm.weight.detach(),
        qkv=torch.cat([part.weight.detach() for part in (attention.q_proj, attention.k_proj, attention.v_proj)]),
        qk_norms=None if norms is None else torch.stack([norm.detach() for norm in norms]),
        out=attention.o_proj.weight.detach(),
        before_mlp=layer.post_attention_layernorm.weight.detach(),
        gate_up=torch.cat([mlp.gate_proj.weight.detach(), mlp.up_proj.weight.detach()]),
        down=mlp.down_proj.weight.detach(),
    )
