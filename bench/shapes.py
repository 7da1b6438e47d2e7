"""Models of Qwen3's shapes with random weights that end their responses by themselves: what a GPU is measured with."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, Qwen3Config

from groupthink.model.attention import register_attention
from groupthink.nano.tokenizer import build_tokenizer

SHAPES = {
    "qwen3-0.6b": {"hidden_size": 1024, "intermediate_size": 3072},
    "qwen3-1.7b": {"hidden_size": 2048, "intermediate_size": 6144},
}
"""Qwen3 technical report, arXiv 2505.09388, table 1, and the configurations that are published with the weights."""

STEADY = 64
"""How many features of every embedding are the same: by them responses end, however the others differ."""


def a_model(name: str, device: str | torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """Random weights in one of SHAPES."""
    register_attention()
    config = Qwen3Config(
        vocab_size=151_936,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        tie_word_embeddings=False,  # the head must differ for responses to end; it is read once in either case
        **SHAPES[name],
    )
    torch.manual_seed(0)
    with torch.device(device):
        return AutoModelForCausalLM.from_config(config, attn_implementation="groupthink", dtype=dtype).eval()


@torch.no_grad()
def let_it_end(model: PreTrainedModel, stop_id: int, mean_length: int) -> None:
    """Set weights so that a response ends with `stop_id` after about `mean_length` tokens, whatever it says."""
    embedding, head = model.get_input_embeddings().weight, model.get_output_embeddings().weight
    embedding[:, :STEADY], head[:, :STEADY] = 0.1, 0.0
    probe = torch.randint(0, len(head), (4, 256), device=model.device)
    hidden = model.base_model(probe, use_cache=False).last_hidden_state.float()
    steady, others = hidden[..., :STEADY].sum(-1), (hidden @ head.float().T).logsumexp(-1)
    low, high = 0.0, 10.0
    while high - low > 1e-4:  # the share of it at which it comes often enough
        middle = (low + high) / 2
        often = (middle * steady - others).exp().mean().item() > 1 / mean_length
        low, high = (low, middle) if often else (middle, high)
    head[stop_id] = 0.0
    head[stop_id, :STEADY] = high


def write(name: str, folder: Path, device: str, mean_length: int) -> None:
    """Save such a model with a tokenizer, in bf16."""
    model, tokenizer = a_model(name, device, torch.bfloat16), build_tokenizer()
    let_it_end(model, tokenizer.eos_token_id, mean_length)
    model.generation_config.eos_token_id = model.config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = model.config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
