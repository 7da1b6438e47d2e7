"""What vLLM is told of a model, so that it can be opened in another process, by another Python."""

import copy
from pathlib import Path

from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

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
    _require_shares(text, settings.tensor_parallel)
    token_bytes = _token_bytes(model, settings.tensor_parallel)
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
        tensor_parallel=settings.tensor_parallel,
    )


def aliases_of(model: PreTrainedModel) -> dict[str, str]:
    """Further names of tensors that the model has under several: {"lm_head.weight": "model.embed_tokens.weight"}"""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    named = model.named_parameters(remove_duplicate=False)
    return {name: first[id(parameter)] for name, parameter in named if first[id(parameter)] != name}


def _require_shares(text: PretrainedConfig, processes: int) -> None:
    """Raise ValueError where so many processes cannot share the heads out evenly."""
    heads, kv_heads = text.num_attention_heads, _kv_heads(text)
    fit = [n for n in range(1, heads + 1) if heads % n == 0 and (kv_heads % n == 0 or n % kv_heads == 0)]
    if processes not in fit:
        raise ValueError(
            f"vllm.tensor_parallel={processes} does not share out {heads} heads, {kv_heads} of them of keys and "
            f"values: give one of {', '.join(map(str, fit))}"
        )


def _kv_heads(text: PretrainedConfig) -> int:
    return getattr(text, "num_key_value_heads", None) or text.num_attention_heads


def _token_bytes(model: PreTrainedModel, processes: int) -> int:
    """Bytes of a token's keys and values in each process."""
    text = model.config.get_text_config()
    head_dim = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return 2 * text.num_hidden_layers * -(-_kv_heads(text) // processes) * head_dim * model.dtype.itemsize
