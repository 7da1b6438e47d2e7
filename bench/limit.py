"""The least that a step could take: its floating-point operations, at the rate of matrix products."""

import time
from collections.abc import Sequence

import torch
from torch import nn
from transformers import PreTrainedModel

SHAPES = ((1024, 128, 384), (512, 512, 512), (1024, 1024, 1024))
"""Products [m, k] x [k, n] whose rate is measured: nano's widest layer while it learns, and larger ones."""


def step_operations(prompts: Sequence[int], responses: Sequence[Sequence[int]], **sizes: int) -> float:
    """Floating-point operations of a GRPO step with prompts of these lengths and groups of responses of these lengths.

    Five forward passes' worth: one generates, one is the reference's, and learning costs three. `sizes` are
    those that `forward_operations` names.
    """
    return 5.0 * forward_operations(prompts, responses, **sizes)


def update_operations(prompts: Sequence[int], responses: Sequence[Sequence[int]], **sizes: int) -> float:
    """Those of learning alone: a forward pass, and a backward pass that costs twice that. Nothing is made anew."""
    return 3.0 * forward_operations(prompts, responses, **sizes)


def forward_operations(
    prompts: Sequence[int], responses: Sequence[Sequence[int]], *, body: int, head: int, heads_width: int, layers: int
) -> float:
    """Those of one forward pass.

    2 for every weight of `body` and every token that is an input: a group's prompt counts once, and a
    response's last token is never an input. The `head` is needed once for each response token; attention costs
    4 * `heads_width` in each layer for every pair of a token and one that it sees, itself included. (After
    Kaplan et al., arXiv 2001.08361, section 2.1.)
    """
    inputs = pairs = targets = 0
    for prompt, lengths in zip(prompts, responses, strict=True):
        inputs += prompt + sum(length - 1 for length in lengths)
        targets += sum(lengths)
        pairs += triangle(prompt) + sum(triangle(prompt + length - 1) - triangle(prompt) for length in lengths)
    return 2.0 * body * inputs + 2.0 * head * targets + 4.0 * heads_width * layers * pairs


def triangle(n: int) -> int:
    """1 + 2 + ... + n: the pairs that n causal tokens make."""
    return n * (n + 1) // 2


def model_sizes(model: PreTrainedModel) -> dict[str, int]:
    """The figures of a model that `step_operations` asks for: weights of its matrices, and its attention's shape."""
    config, output = model.config.get_text_config(), model.get_output_embeddings()
    linear = sum(module.weight.numel() for module in model.modules() if isinstance(module, nn.Linear))
    return {
        "body": linear - output.weight.numel(),
        "head": output.weight.numel(),
        "heads_width": config.num_attention_heads * config.head_dim,
        "layers": config.num_hidden_layers,
    }


def product_rates(seconds: float = 0.1) -> dict[str, float]:
    """Operations a processor second of float32 products of each of SHAPES, measured for about `seconds` each."""
    return {f"{m}x{k}x{n}": _rate(m, k, n, seconds) for m, k, n in SHAPES}


def _rate(m: int, k: int, n: int, seconds: float) -> float:
    left, right, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    torch.mm(left, right, out=out)
    products, start = 0, time.process_time()
    while (spent := time.process_time() - start) < seconds:
        torch.mm(left, right, out=out)
        products += 1
    return products * 2 * m * k * n / spent
