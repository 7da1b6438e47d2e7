"""Model-FLOPs utilisation of a learner's update on a GPU: Qwen3-1.7B's shape, random weights, bf16.

    python bench/mfu.py [--json] [--out FILE]

`mfu` is the time that the floating-point operations of an update's forward and backward pass take at the measured rate
of bf16 matrix products, over the time that `Learner.update` takes, AdamW's step included. Operations are the model's:
what is computed anew counts once.
"""

import argparse
import time
from statistics import median

import numpy as np
import torch
from limit import model_sizes, update_operations
from our_update import batch_of
from report import add_report, report
from transformers import AutoModelForCausalLM, Qwen3Config
from vs_trl import processor, tell
from workload import Workload

from groupthink.model.attention import register_attention
from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings

PRODUCTS = ((1, 2048, 6144), (1, 6144, 2048), (1, 8192, 8192))
"""Products [m, k] x [k, n] whose rate is measured, m in micro-batches of tokens: the model's widest layers, and one
that suits a GPU best."""


def main() -> None:
    options = read_options()
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    workload = given(options)
    model = a_model(options, device, dtype)
    if options.recompute_layers:
        checkpoint_layers(model)
    settings = PolicySettings(
        dtype=options.dtype,
        learning_rate=1e-6,
        schedule="constant",
        warmup_steps=0,
        micro_batch_tokens=options.tokens,
        traced_groups=0,
        processes=1,
    )
    objective = ObjectiveSettings(kl=0.0)
    learner = Learner(model, None, settings, objective, total_steps=99, temperature=1.0, device=device)
    batch = batch_of(workload)
    prompts = [len(prompt) for prompt in workload.prompts]
    operations = update_operations(prompts, workload.lengths, **model_sizes(model))
    seconds = [timed(lambda: learner.update(batch), device) for _ in range(options.warmup + options.updates)]
    shapes = [(m * options.tokens, k, n) for m, k, n in PRODUCTS]
    rates = {f"{m}x{k}x{n}": rate(m, k, n, device, dtype) for m, k, n in shapes}
    took = median(seconds[options.warmup :])
    found = {
        "mfu": round(operations / max(rates.values()) / took, 3),
        "details": {
            "seconds": [round(each, 4) for each in seconds],
            "operations": operations,
            "product_teraflops": {shape: round(each / 1e12, 1) for shape, each in rates.items()},
            "response_tokens": workload.response_tokens,
            "prompt_tokens": workload.prompt_tokens,
            "parameters": model.num_parameters(),
            "recompute_layers": options.recompute_layers,
            "micro_batch_tokens": learner.micro_batch_tokens,
            "peak_bytes": torch.cuda.max_memory_allocated() if device.type == "cuda" else None,
            "dtype": options.dtype,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else processor(),
            "torch": torch.__version__,
        },
    }
    learner.close()
    report(found, options, f"mfu {found['mfu']:.2f}  (aim: 0.5)")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=8192, help="response tokens of an update, and of a micro-batch")
    parser.add_argument("--layers", type=int, default=28, help="of the model")
    parser.add_argument("--vocabulary", type=int, default=151_936, help="words")
    parser.add_argument("--warmup", type=int, default=2, help="updates that do not count")
    parser.add_argument("--updates", type=int, default=5, help="updates that do")
    parser.add_argument("--recompute-layers", action="store_true", help="compute layers anew in the backward pass")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script")
    parser.add_argument("--dtype", choices=("bfloat16", "float32"), default="bfloat16", help="float32: likewise")
    add_report(parser)
    return parser.parse_args()


def a_model(options: argparse.Namespace, device: torch.device, dtype: torch.dtype):
    register_attention()
    config = Qwen3Config(
        vocab_size=options.vocabulary,
        hidden_size=2048,
        intermediate_size=6144,
        num_hidden_layers=options.layers,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    with device:
        return AutoModelForCausalLM.from_config(config, attn_implementation="groupthink", dtype=dtype).eval()


def given(options: argparse.Namespace) -> Workload:
    """Groups of eight responses of 128 to 512 tokens to prompts of 128, until there are tokens enough."""
    draw = np.random.default_rng(0)
    responses: list[list[list[int]]] = []
    while sum(len(response) for group in responses for response in group) < options.tokens * 0.9:
        lengths = draw.integers(128, 512, 8)
        responses.append([draw.integers(0, options.vocabulary, length).tolist() for length in lengths])
    return Workload(
        prompts=[draw.integers(0, options.vocabulary, 128).tolist() for _ in responses],
        responses=responses,
        advantages=[draw.normal(size=8).tolist() for _ in responses],
        logprobs=[[[-np.log(options.vocabulary)] * len(response) for response in group] for group in responses],
    )


def timed(do, device: torch.device) -> float:
    start = time.perf_counter()
    do()
    if device.type == "cuda":
        torch.cuda.synchronize()
    tell(f"{time.perf_counter() - start:.3f} s an update")
    return time.perf_counter() - start


def rate(m: int, k: int, n: int, device: torch.device, dtype: torch.dtype, seconds: float = 0.5) -> float:
    """Operations a second of products of this shape."""
    left, right = torch.randn(m, k, device=device, dtype=dtype), torch.randn(k, n, device=device, dtype=dtype)
    out, products, start = left @ right, 0, time.perf_counter()
    at_once = 10 if device.type == "cuda" else 1  # a GPU is not waited for after each
    while time.perf_counter() - start < seconds:
        for _ in range(at_once):
            torch.mm(left, right, out=out)
        if device.type == "cuda":
            torch.cuda.synchronize()
        products += at_once
    return products * 2 * m * k * n / (time.perf_counter() - start)


if __name__ == "__main__":
    main()
