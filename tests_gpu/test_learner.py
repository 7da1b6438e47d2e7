"""On a GPU, in bf16: what rounding to 8 bits costs, said as tolerances. `make test-gpu`; no other check depends on it.

DEVICE=cpu runs the same on a processor.
"""

import os
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen3Config

from groupthink.model.attention import register_attention
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.policy.learner import Learner
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Batch

DEVICE = os.environ.get("DEVICE", "cuda")
VOCABULARY = 1000
LOGPROBS = 0.02
"""Nats, the mean: log-probabilities of a bf16 pass beside those of a float32 pass over the same bf16 weights."""
GRADIENT = 0.04
"""Of the gradient's length: as far as a bf16 update's gradient may lie from that of the float32 update."""


GRADIENTS = {"vespo": 0.1}
"""Likewise, where an objective multiplies up rounding: VESPO's weight is a product of ratios over a whole response."""


def a_model(dtype: torch.dtype):
    """Both precisions begin with the same weights, those that bf16 can hold."""
    register_attention()
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=64,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="groupthink", dtype=torch.float32)
    return model.to(torch.bfloat16).to(dtype).eval().to(DEVICE)


@cache
def a_batch() -> Batch:
    """Four groups of four responses of unequal lengths, drawn by chance. In float32 every ratio is 1."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(20, 90, 16)
    tokens = int(lengths.sum())
    nothing_M = np.zeros(tokens, np.float32)
    batch = Batch(
        prompts=tuple(draw.integers(0, VOCABULARY, draw.integers(5, 30)) for _ in range(4)),
        group_B=np.repeat(np.arange(4), 4),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        token_ids_M=draw.integers(0, VOCABULARY, tokens),
        sampled_M=np.ones(tokens, bool),
        old_logprobs_M=nothing_M,
        drawn_logprobs_M=nothing_M,
        advantages_M=np.repeat(draw.normal(size=16), lengths).astype(np.float32),
        weights_M=np.full(tokens, 1 / tokens, np.float32),
    )
    old_M = logprobs(torch.float32, batch)
    return replace(batch, old_logprobs_M=old_M, drawn_logprobs_M=old_M)


@pytest.fixture(autouse=True)
def plain_float32():
    """Products of float32 in float32, not in TF32: they are what bf16 is measured by."""
    before = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32 = before


def logprobs(dtype: torch.dtype, batch: Batch) -> np.ndarray:
    model = a_model(dtype)
    packed = pack(batch.prompts, np.split(batch.token_ids_M, batch.starts[1:-1]), batch.group_B)
    with torch.no_grad():
        return TokenScorer(model)(packed.to(DEVICE), 1.0)[0].float().cpu().numpy()


def test_log_probabilities_are_float32_s_to_within_the_rounding_of_bf16():
    narrow, wide = (logprobs(dtype, a_batch()) for dtype in (torch.bfloat16, torch.float32))
    assert 0 < np.abs(narrow - wide).mean() < LOGPROBS


def gradient(dtype: torch.dtype, objective: ObjectiveSettings, tokens: int = 16384) -> tuple[torch.Tensor, float]:
    """The gradient of an update, in micro-batches of so many tokens, and its loss."""
    model = a_model(dtype)
    settings = PolicySettings(
        dtype=str(dtype).removeprefix("torch."),
        max_grad_norm=1e9,
        micro_batch_tokens=tokens,
        traced_groups=0,
        processes=1,
        threads=1,
    )
    reference = a_model(dtype) if objective.kl else None
    learner = Learner(model, reference, settings, objective, total_steps=1, temperature=1.0, device=DEVICE)
    held: dict[str, torch.Tensor] = {}

    def look(*_):
        held.update({name: parameter.grad.float().cpu() for name, parameter in learner.parameters.items()})

    learner.optimizer.register_step_pre_hook(look)
    loss = learner.update(a_batch()).metrics["loss"]
    learner.close()
    assert learner.guard.skipped == 0
    return torch.cat([held[name].flatten() for name in sorted(held)]), loss


SMOOTH = [ObjectiveSettings.of_row(name, kl=0.05, kl_place="loss", clip_low=10.0, clip_high=10.0) for name in ROWS]


@pytest.mark.parametrize("objective", SMOOTH, ids=lambda it: it.name)
def test_gradients_are_float32_s_to_within_the_rounding_of_bf16(objective):
    """Where no clip's edge lies among the ratios: a token that rounding takes over an edge has all of its gradient."""
    narrow, wide = (gradient(dtype, objective)[0] for dtype in (torch.bfloat16, torch.float32))
    assert (narrow - wide).norm() < GRADIENTS.get(objective.name, GRADIENT) * wide.norm()


@pytest.mark.parametrize("name", ["grpo", "gspo"])
def test_the_cut_changes_a_bf16_gradient_by_no_more_than_rounding(name):
    objective = ObjectiveSettings.of_row(name, kl=0.0, clip_low=10.0, clip_high=10.0)
    whole, cut = (gradient(torch.bfloat16, objective, tokens)[0] for tokens in (16384, 200))
    assert (whole - cut).norm() < GRADIENT * whole.norm()
