"""How near a GPU's limit the embedded engine decodes: Qwen3's shapes, random weights, 256 sequences side by side.

    python bench/decode.py [--json] [--out FILE]

`limit_fraction` is the time in which the GPU's memory, at the rate at which it copies, gives what must be read (every
weight once for each token of the longest response, keys and values of a prompt once for its group, those of a
response's tokens once for each that follows), over the time that drawing takes, prefill included. No response ends
before its last token, so that all sequences are there throughout. `with_stops` is the engine as a run has it:
responses of varying length, four times as many as there are places, one entering as others end.
"""

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

import numpy as np
import torch
from report import add_report, report
from rollout_limit import Reads, copy_rate, decoding_bytes
from shapes import SHAPES, a_model, let_it_end
from vs_trl import tell

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.rollout.engine import Sampling
from groupthink.rollout.torch_engine import TorchEngine

AIM = 0.6


def main() -> None:
    options = read_options()
    rate = copy_rate()["copy"]
    found: dict[str, Any] = {name: measure(name, rate, options) for name in options.shapes}
    lines = [f"{name} limit_fraction {its['limit_fraction']:.2f}  (aim: {AIM})" for name, its in found.items()]
    found["details"] = {
        "copied_terabytes_per_second": round(rate / 1e12, 3),
        "sequences": options.sequences,
        "group_size": options.group_size,
        "prompt_tokens": options.prompt_tokens,
        "max_tokens": options.max_tokens,
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
    }
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--sequences", type=int, default=256, help="side by side")
    parser.add_argument("--group-size", type=int, default=8, help="responses to a prompt")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--max-tokens", type=int, default=2048, help="of a response, as the recipes for Qwen3 have it")
    parser.add_argument("--turns", type=int, default=2, help="that are measured")
    add_report(parser)
    return parser.parse_args()


def measure(name: str, rate: float, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one shape."""
    model, tokenizer = a_model(name, "cuda", torch.bfloat16), build_tokenizer()
    model.generation_config.eos_token_id = None
    engine = TorchEngine(model, tokenizer, max_sequences=options.sequences)
    engine.stop_ids = set()
    engine._is_stop_V[:] = False
    reads = Reads.of(model)
    groups = options.sequences // options.group_size
    engine.decoder.reserve(options.sequences, options.prompt_tokens + options.max_tokens)
    draw(engine, groups, 40, options)  # kernels are compiled, and graphs recorded
    turns = []
    for turn in range(options.turns):
        lengths, seconds = draw(engine, groups, options.max_tokens, options, seed=turn)
        bytes_ = decoding_bytes([options.prompt_tokens] * groups, lengths, reads)
        turns.append({"seconds": seconds, "tokens": sum(map(sum, lengths)), "fraction": bytes_ / rate / seconds})
        tell(f"{name}: {turns[-1]['tokens'] / seconds:.0f} tokens/s, {turns[-1]['fraction']:.3f} of the limit")
    figures = {
        "limit_fraction": round(median(turn["fraction"] for turn in turns), 4),
        "tokens_per_second": round(median(turn["tokens"] / turn["seconds"] for turn in turns), 1),
        "seconds": [round(turn["seconds"], 3) for turn in turns],
        "with_stops": with_stops(model, engine, groups, options),
        "decoder": type(engine.decoder).__name__,
    }
    engine.close()
    return figures


def with_stops(model: Any, engine: TorchEngine, groups: int, options: argparse.Namespace) -> dict[str, Any]:
    """Responses that end by themselves, a quarter of `max_tokens` long on average, and four times as many."""
    stop = build_tokenizer().eos_token_id
    let_it_end(model, stop, options.max_tokens // 4)
    engine.decoder.refresh()
    engine._is_stop_V[stop] = True
    draw(engine, groups, options.max_tokens, options, seed=1)  # for batches of every size
    lengths, seconds = draw(engine, 4 * groups, options.max_tokens, options)
    flat = [length for group in lengths for length in group]
    return {
        "tokens_per_second": round(sum(flat) / seconds, 1),
        "seconds": round(seconds, 3),
        "mean_length": round(sum(flat) / len(flat), 1),
        "longest": max(flat),
    }


def draw(
    engine: TorchEngine, groups: int, max_tokens: int, options: argparse.Namespace, seed: int = 0
) -> tuple[Sequence[Sequence[int]], float]:
    """Lengths of the responses to each of so many prompts, and the seconds that it took to draw them."""
    chance = np.random.default_rng(seed)
    prompts = chance.integers(100, 100_000, (groups, options.prompt_tokens))
    torch.cuda.synchronize()
    start = time.perf_counter()
    sampling = Sampling(max_tokens, n=options.group_size)
    handles = [engine.submit(prompt, sampling, seed=i) for i, prompt in enumerate(prompts)]
    responses = [handle.result() for handle in handles]
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return [[len(response) for response in group] for group in responses], seconds


if __name__ == "__main__":
    main()
