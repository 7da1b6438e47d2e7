"""The least that drawing responses could take: operations at the rate of matrix products, or bytes at that of memory.

As a program it is a side of `rollout.py` that measures such a rate each time it is asked to.
"""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from limit import forward_operations, model_sizes, product_rates, triangle
from rollout_drawing import Drawing
from transformers import PreTrainedModel
from turns import Turns, keep_to_core

COPIED = 2**30  # bytes at a time, to measure a GPU's memory


@dataclass(frozen=True, slots=True)
class Reads:
    """What a step of decoding reads of a model."""

    weights: int  # bytes: every matrix once
    token: int  # bytes: keys and values of a token

    @classmethod
    def of(cls, model: PreTrainedModel) -> "Reads":
        config, sizes = model.config.get_text_config(), model_sizes(model)
        per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim
        return cls((sizes["body"] + sizes["head"]) * model.dtype.itemsize, per_token * model.dtype.itemsize)


def decoding_operations(
    prompts: Sequence[int], responses: Sequence[Sequence[int]], *, head: int, **sizes: int
) -> float:
    """A forward pass over prompts and responses of these lengths; the first tokens of a group share their logits."""
    copies = sum(len(lengths) - 1 for lengths in responses)
    return forward_operations(prompts, responses, head=head, **sizes) - 2.0 * head * copies


def decoding_bytes(prompts: Sequence[int], responses: Sequence[Sequence[int]], reads: Reads) -> float:
    """What must be read where all responses are drawn side by side.

    The weights once for each token of the longest response. Keys and values of a prompt once for its group at each
    step, those of a response's tokens at each step after them.
    """
    steps = max(max(lengths) for lengths in responses)
    tokens = sum(
        prompt * (max(lengths) - 1) + sum(triangle(length - 1) for length in lengths)
        for prompt, lengths in zip(prompts, responses, strict=True)
    )
    return float(reads.weights * steps + reads.token * tokens)


def copy_rate(seconds: float = 0.5) -> dict[str, float]:
    """Bytes a second that a GPU reads and writes when it copies."""
    source = torch.empty(COPIED, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    target.copy_(source)
    torch.cuda.synchronize()
    copies, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < seconds:
        target.copy_(source)
        torch.cuda.synchronize()
        copies += 1
    return {"copy": copies * 2 * COPIED / spent}


def main(drawing: Drawing, core: int | None) -> None:
    turns = Turns()
    drawing.settle()
    keep_to_core(core)
    torch.set_num_threads(1)
    turns.answer(versions={"torch": torch.__version__})
    while turns.asked():
        turns.answer(rates=product_rates() if drawing.device == "cpu" else copy_rate())


if __name__ == "__main__":
    main(Drawing.read(sys.argv[1]), json.loads(sys.argv[2]))
