import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GptOssConfig,
    GraniteMoeHybridConfig,
    Lfm2Config,
    MambaConfig,
    Phi3Config,
    Qwen3_5TextConfig,
    Qwen3MoeConfig,
    Qwen3NextConfig,
)

from groupthink.model.attention import _attend_bucket, register_attention
from groupthink.model.lora import add_lora
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.model.settings import LoraSettings
from tests.tiny import KINDS, SHAPE, plain_logits, tiny

LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
MAMBA = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_expand": 2}
LOCAL = {"num_local_experts": 4, "num_experts_per_tok": 2}

CARRIES = {
    "lfm2": lambda: Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"]),
    "qwen3_next": lambda: Qwen3NextConfig(**SHAPE, **LINEAR, **EXPERTS, shared_expert_intermediate_size=16),
    "qwen3_5": lambda: Qwen3_5TextConfig(**SHAPE, **LINEAR),
    "granite_hybrid": lambda: GraniteMoeHybridConfig(
        **SHAPE, **MAMBA, **LOCAL, layer_types=["mamba", "attention"], shared_intermediate_size=16
    ),
}
ATTENDS = {
    "gpt_oss": lambda: GptOssConfig(
        **SHAPE, **LOCAL, sliding_window=7, rope_parameters={"rope_type": "default", "rope_theta": 1e4}
    ),
    "qwen3_moe": lambda: Qwen3MoeConfig(**SHAPE, **EXPERTS),
    "gpt2": lambda: GPT2Config(
        vocab_size=107, n_embd=32, n_layer=2, n_head=4, n_positions=64, bos_token_id=None, eos_token_id=1
    ),
    "phi3": lambda: Phi3Config(**SHAPE, sliding_window=7),
}


def make(config, spread=0.2):
    register_attention()
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="groupthink", dtype=torch.float32).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * spread)
    return model


def assert_untouched(model):
    assert model.config._attn_implementation == "groupthink"
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", CARRIES)
def test_layers_that_carry_something_along_the_row_are_refused_however_weak(kind, dtype):
    for spread in (0.0, 0.2):  # 0: as drawn, where in bfloat16 a leak is less than rounding
        model = make(CARRIES[kind](), spread).to(dtype)
        with pytest.raises(ValueError, match=rf"{type(model).__name__} has layers that carry.*use a model"):
            TokenScorer(model)
        assert_untouched(model)


def test_a_model_without_attention_is_refused():
    model = make(MambaConfig(vocab_size=107, hidden_size=32, num_hidden_layers=2))
    with pytest.raises(ValueError, match=r"MambaForCausalLM does not take packed tokens.*use a model"):
        TokenScorer(model)


@pytest.mark.parametrize("kind", ATTENDS)
def test_others_give_packed_what_they_give_alone(kind):
    model = make(ATTENDS[kind]())
    rng = np.random.default_rng(0)
    prompts, groups = [rng.integers(2, 107, n) for n in (6, 4)], (0, 0, 1, 1)
    responses = [rng.integers(2, 107, n) for n in (5, 19, 7, 1)]
    scorer = TokenScorer(model)
    assert_untouched(model)
    with torch.no_grad():
        found_M, _ = scorer(pack(prompts, responses, groups), 1.0)
        laws = [
            plain_logits(model, [*prompts[group], *response])[len(prompts[group]) - 1 : -1].log_softmax(-1)
            for response, group in zip(responses, groups, strict=True)
        ]
    expected_M = torch.cat(laws).gather(1, torch.from_numpy(np.concatenate(responses))[:, None])[:, 0]
    torch.testing.assert_close(found_M, expected_M, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [*KINDS, *ATTENDS])
def test_in_low_precision_and_with_an_adapter_they_are_taken_too(kind, dtype):
    model = (tiny(kind) if kind in KINDS else make(ATTENDS[kind]())).to(dtype)
    TokenScorer(model)
    add_lora(model, LoraSettings(rank=2), seed=0)
    with torch.inference_mode():
        TokenScorer(model)
    assert_untouched(model)


@pytest.mark.parametrize("positions", [1, 2, 3, 8])
def test_few_positions_and_a_tiny_vocabulary_are_enough(positions):
    TokenScorer(make(GPT2Config(vocab_size=2, n_embd=32, n_layer=2, n_head=4, n_positions=positions)))
    TokenScorer(tiny("qwen3", vocab_size=1, max_position_embeddings=positions, pad_token_id=None, eos_token_id=0))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_attention_that_is_another_function_is_refused(dtype, monkeypatch):
    def negated(query, *others):
        return _attend_bucket(-query, *others)

    model = tiny("llama").to(dtype)
    monkeypatch.setattr("groupthink.model.attention._attend_bucket", negated)
    with pytest.raises(ValueError, match=r"LlamaForCausalLM has attention that is another function.*use another model"):
        TokenScorer(model)
    assert_untouched(model)


def test_everything_is_put_back_where_the_models_own_pass_fails():
    model = tiny("qwen3")

    def fails(*args, **kwargs):
        assert model.config._attn_implementation == "eager"
        raise RuntimeError("out of luck")

    model.forward = fails
    with pytest.raises(RuntimeError, match="out of luck"):
        TokenScorer(model)
    assert_untouched(model)


def test_weights_that_are_damaged_are_not_taken_for_a_strange_architecture():
    model = tiny("qwen3")
    nn.init.constant_(model.model.norm.weight, float("nan"))
    with pytest.raises(ValueError, match="not finite"):
        TokenScorer(model)
