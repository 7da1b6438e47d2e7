"""The architectures that are written out by hand, Llama and Qwen3: which models have one, and the parts of a layer.

`rollout/fast.py` decodes with them, `model/fast_body.py` learns with them; each is used only where it agrees with
the model's own forward pass.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

ARCHITECTURES = ("LlamaForCausalLM", "Qwen3ForCausalLM")
ROPES = ("default", "linear", "llama3", "yarn")  # those whose angles do not depend on a sequence's length


class Shape(NamedTuple):
    """The sizes of attention."""

    heads: int
    kv_heads: int
    head_dim: int
    epsilon: float  # of the norms

    @property
    def rotated(self) -> int:
        """How many heads have a position: queries and keys."""
        return self.heads + self.kv_heads


def knows(model: PreTrainedModel) -> bool:
    """Whether the architecture is one of those that are written out."""
    config = model.config
    return (
        type(model).__name__ in ARCHITECTURES
        and config.rope_parameters["rope_type"] in ROPES
        and not any(getattr(config, name, False) for name in ("attention_bias", "mlp_bias"))
        and all(kind == "full_attention" for kind in getattr(config, "layer_types", None) or ())
    )


def shape_of(model: PreTrainedModel) -> Shape:
    config = model.config
    heads = config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // heads
    return Shape(heads, config.num_key_value_heads, head_dim, config.rms_norm_eps)


def qk_norms(attention: Any) -> tuple[nn.Parameter, nn.Parameter] | None:
    """The weights [D] of the norms of queries and of keys, which Qwen3 has and Llama has not."""
    return (attention.q_norm.weight, attention.k_norm.weight) if hasattr(attention, "q_norm") else None


def inverse_rms(x: Tensor, epsilon: float) -> Tensor:
    """1 / sqrt(mean(x^2) + epsilon) over the last dimension, which is kept."""
    return torch.linalg.vector_norm(x, dim=-1, keepdim=True).square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
