"""A model by its config alone: its parameters, counted exactly, and the sizes that memory and time depend on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from groupthink.model.attention import register_attention
from groupthink.model.llama import knows
from groupthink.model.loading import context_of, read_config
from groupthink.model.settings import ALL_LINEAR, LoraSettings


@dataclass(frozen=True, slots=True)
class ModelShape:
    """Counts are of numbers, not of bytes."""

    architecture: str
    parameters: int  # those that are tied count once
    body: int  # weights of all matrices but the embeddings and the head
    active: int  # of these, those that one token goes through: of experts only some are asked
    head: int  # weights of the output matrix
    tied: bool  # whether that is the embeddings' own
    linears: Mapping[str, tuple[int, int]]  # inputs and outputs of each linear layer but the head, by name
    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int
    context: int | None  # tokens; None: unbounded
    by_hand: bool  # a Llama or Qwen3 that `model/llama.py` knows
    gated: bool  # whether its activation is silu, for which the rest is written by hand
    qk_norm: bool

    @property
    def qkv(self) -> int:
        """Queries, keys and values of one token in one layer."""
        return (self.heads + 2 * self.kv_heads) * self.head_dim

    @property
    def rotated(self) -> int:
        """Of these, the ones that have a position."""
        return (self.heads + self.kv_heads) * self.head_dim

    @property
    def attended(self) -> int:
        """What attention gives of one token in one layer."""
        return self.heads * self.head_dim

    def adapter(self, lora: LoraSettings) -> int:
        """The parameters of an adapter, all of which learn."""
        named = [
            sizes
            for name, sizes in self.linears.items()
            if any(target == ALL_LINEAR or f".{name}".endswith(f".{target}") for target in lora.targets)
        ]
        return sum(lora.rank * (inputs + outputs) for inputs, outputs in named)

    def trained(self, lora: LoraSettings) -> int:
        """The parameters that learn."""
        return self.adapter(lora) if lora.rank else self.parameters


def read_shape(name: str | Path, trust_remote_code: bool = False, layers: int = 0) -> ModelShape:
    """The shape of a model by its name (see `resolve`), or of its first `layers`; 0: of all. Its weights are not read,
    and take no memory.

    Raises ValueError where its config cannot be had, or tells of no layers with attention.
    """
    try:
        config = read_config(name, layers=layers, trust_remote_code=trust_remote_code)
    except OSError as error:
        raise ValueError(
            f"the config of {str(name)!r} is needed to plan, and neither this machine nor the hub has it "
            f"({str(error).partition(chr(10))[0]}): download the model, or connect to the network"
        ) from error
    register_attention()
    # A model's own code may ask of weights on the meta device what they do not have, and fail in any way.
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(
                config, attn_implementation="groupthink", dtype=torch.float32, trust_remote_code=trust_remote_code
            )
        shape = shape_of(model)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"{str(name)!r} is of a kind that cannot be planned for ({said})") from error
    odd = [one.name for one in fields(shape) if one.type in (int, "int") and type(getattr(shape, one.name)) is not int]
    if odd:  # a figure of each layer, for instance
        raise ValueError(f"{shape.architecture} is of a kind that cannot be planned for: {odd[0]} is no single number")
    return shape


def shape_of(model: PreTrainedModel) -> ModelShape:
    """The shape of a model that is there, on the meta device for instance."""
    config = model.config.get_text_config()
    embeddings, head = model.get_input_embeddings().weight, model.get_output_embeddings()
    outer = {id(embeddings), id(head.weight)}
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1 and id(parameter) not in outer]
    experts, asked = getattr(config, "num_experts", None), getattr(config, "num_experts_per_tok", None)
    experts = experts or getattr(config, "num_local_experts", None)
    # A layer's experts lie in one tensor of three dimensions.
    sleeping = sum(parameter.numel() for parameter in matrices if experts and asked and parameter.ndim == 3)
    body = sum(parameter.numel() for parameter in matrices)
    inner = getattr(config, "intermediate_size", None) or 4 * config.hidden_size
    if experts and asked:
        inner = asked * (getattr(config, "moe_intermediate_size", None) or inner)
    by_hand = knows(model)
    return ModelShape(
        architecture=type(model).__name__,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        body=body,
        active=body - (sleeping - sleeping * asked // experts if sleeping else 0),
        head=head.weight.numel(),
        tied=head.weight is embeddings,
        linears={
            name: (module.in_features, module.out_features)
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        },
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        intermediate=inner,
        heads=config.num_attention_heads,
        kv_heads=getattr(config, "num_key_value_heads", None) or config.num_attention_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        vocabulary=config.vocab_size,
        context=context_of(config),
        by_hand=by_hand,
        gated=by_hand and config.hidden_act == "silu",
        qk_norm=by_hand and hasattr(model.base_model.layers[0].self_attn, "q_norm"),
    )
