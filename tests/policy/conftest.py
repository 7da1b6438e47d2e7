import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, Qwen3Config

from groupthink.model.attention import register_attention
from groupthink.policy.assemble import assemble
from groupthink.records import Group, Problem, Response

VOCABULARY = 24
PAD = 0


def _make_model(seed: int = 0, *, attention: str = "groupthink", pad: int | None = PAD, layers=2, dtype=torch.float32):
    register_attention()
    config = Qwen3Config(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        tie_word_embeddings=True,
        initializer_range=0.3,
        pad_token_id=pad,
        eos_token_id=1,
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=dtype).eval()
    # transformers begins the pad token's row at zero; a policy that has learned has a row like the others.
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.15)
    return model


def _make_groups(seed: int = 0, groups: int = 3, responses: int = 4) -> list[Group]:
    """Random tokens, the pad token among them; the last response of each group holds two tokens of a tool."""
    draw = np.random.default_rng(seed)
    made = []
    for place in range(groups):
        prompt = draw.integers(0, VOCABULARY, draw.integers(2, 6))
        written = []
        for one in range(responses):
            length = int(draw.integers(3, 12))
            token_ids = draw.integers(0, VOCABULARY, length)
            token_ids[1] = PAD
            sampled = np.ones(length, bool)
            sampled[:2] = one < responses - 1
            logprobs = np.where(sampled, -3 * draw.random(length), np.nan).astype(np.float32)
            versions = np.zeros(length, np.int64)
            written.append(Response(token_ids, sampled, logprobs, logprobs, versions, "", "stop", one))
        made.append(Group(Problem(str(place), "random", ""), prompt, tuple(written)))
    return made


@pytest.fixture
def make_model():
    """A random Qwen3 of two layers; the same seed gives the same weights."""
    return _make_model


@pytest.fixture
def float64_throughout(monkeypatch):
    """transformers' norms, softmax and rotations turn to float32 even in a float64 model: here they cannot."""
    for name in ("float32", "float"):
        monkeypatch.setattr(torch, name, torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)


@pytest.fixture
def make_groups():
    return _make_groups


@pytest.fixture
def batch():
    """Three groups of four responses; the rewards of the second group are equal."""
    advantages_PG = np.array([[0.5, -0.25, -0.5, 0.25], [0, 0, 0, 0], [1.0, 0.0, -1.5, 0.5]])
    return assemble(_make_groups(), advantages_PG)
