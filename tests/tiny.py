"""Tiny models from random weights, one for each kind of architecture that is tested."""

import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from groupthink.model.attention import register_attention

KINDS = ("qwen3", "llama", "gemma2", "gemma3")
SHAPE = {
    "vocab_size": 107,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": None,
}


def tiny(kind: str, seed: int = 0, **changes: object) -> PreTrainedModel:
    """A model whose laws are far from uniform, so that a wrong one shows."""
    register_attention()
    torch.manual_seed(seed)
    rope = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    rope["original_max_position_embeddings"] = 64
    slide = {"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 7, "query_pre_attn_scalar": 8}
    shape = SHAPE | changes
    match kind:
        case "qwen3":
            model = Qwen3ForCausalLM(Qwen3Config(**{"tie_word_embeddings": True} | shape))
        case "qwen2":
            model = Qwen2ForCausalLM(Qwen2Config(**{"tie_word_embeddings": True} | shape))
        case "llama":
            model = LlamaForCausalLM(LlamaConfig(**{"tie_word_embeddings": False, "rope_parameters": rope} | shape))
        case "gemma2":
            model = Gemma2ForCausalLM(Gemma2Config(**slide | shape))
        case "gemma3":
            model = Gemma3ForCausalLM(Gemma3TextConfig(**slide | {"final_logit_softcapping": 20.0} | shape))
        case _:
            raise AssertionError(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            spread = 0.3 if parameter.ndim == 1 else 0.2
            parameter.add_(torch.randn_like(parameter) * spread)
    model.set_attn_implementation("groupthink")
    return model.eval()


def plain_logits(model: PreTrainedModel, token_ids: list[int]) -> torch.Tensor:
    """The logits [T, V] of one sequence by transformers' own eager attention, without a cache."""
    model.set_attn_implementation("eager")
    try:
        return model(torch.tensor([token_ids], device=model.device), use_cache=False).logits[0]
    finally:
        model.set_attn_implementation("groupthink")
