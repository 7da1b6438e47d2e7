"""What vLLM is told of a model, so that it can be opened in another process, by another Python."""

import copy
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.chat import stop_ids
from groupthink.rollout.vllm.pieces import Plan
from groupthink.rollout.vllm.settings import VllmSettings

CONTEXT = 32_768
"""Tokens, for a model that names no bound of its own."""


def make_plan(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, settings: VllmSettings, folder: Path) -> Plan:
    """Write the model's description into `folder`. Raises ValueError for a model that vLLM could not be synced with."""
    text = model.config.get_text_config()
    if getattr(model.config, "quantization_config", None) is not None:
        raise ValueError("vLLM is not synced with a quantised model: draw with rollout.engine='torch'")
    types = {parameter.dtype for parameter in model.parameters()}
    if len(types) != 1:
        raise ValueError(f"the model's parameters are of several types ({types}): draw with rollout.engine='torch'")
    config = copy.deepcopy(model.config)
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    token_bytes = _token_bytes(model)
    context = min(getattr(text, "max_position_embeddings", None) or CONTEXT, settings.context or CONTEXT**2)
    memory = int(settings.memory_gb * 2**30)
    if model.device.type == "cpu":
        context = min(context, memory // token_bytes)
    if context < 2:
        raise ValueError(f"vllm.memory_gb={settings.memory_gb} holds not even 2 tokens of this model: give more")
    return Plan(
        folder=str(folder),
        dtype=str(model.dtype).removeprefix("torch."),
        context=context,
        stop_ids=tuple(sorted(token for token in stop_ids(tokenizer, model) if token < text.vocab_size)),
        aliases=aliases_of(model),
        max_sequences=settings.max_sequences,
        kv_bytes=min(memory, (settings.max_sequences + 1) * (context + 64) * token_bytes),
        memory_share=settings.memory_share,
    )


def aliases_of(model: PreTrainedModel) -> dict[str, str]:
    """Further names of tensors that the model has under several: {"lm_head.weight": "model.embed_tokens.weight"}"""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    named = model.named_parameters(remove_duplicate=False)
    return {name: first[id(parameter)] for name, parameter in named if first[id(parameter)] != name}


def _token_bytes(model: PreTrainedModel) -> int:
    """Bytes of a token's keys and values."""
    text = model.config.get_text_config()
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    kv_heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    return 2 * text.num_hidden_layers * kv_heads * head_dim * model.dtype.itemsize
