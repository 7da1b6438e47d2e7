"""A GRPO step of groupthink against one of TRL on one GPU: Qwen3-0.6B's shape, random weights, bf16.

    python bench/gpu_step.py [--json] [--out FILE] [--trl-python PYTHON]

`step_wall_ratio` is TRL's wall time for a step over groupthink's, of the medians. Both draw with what they bring along
(TRL by transformers' generation), from the same prompts, and responses end by themselves; rewards are numbers that look
like chance, for a random model earns no others. TRL takes the largest micro-batch of those given that fits.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import environments
import torch
from report import add_report, add_torch_index, report
from shapes import SHAPES, write
from turns import Spec
from vs_trl import Choice, our_side, tell, trl_side

AIM = 8.0


def main() -> None:
    options = read_options()
    python = options.trl_python or environments.make("trl", options.torch_index)
    with tempfile.TemporaryDirectory() as folder:
        write(options.shape, Path(folder), "cuda", options.mean_length)
        torch.cuda.empty_cache()
        spec = Spec(
            model=folder,
            problems=options.problems,
            group_size=options.group_size,
            max_tokens=options.max_tokens,
            kl=0.001,
            learning_rate=1e-9,
            steps=options.warmup + options.steps,
            seed=0,
            core=None,
            threads=4,
            device="cuda",
            dtype="bfloat16",
            rules=False,
        )
        ours = steps_of("groupthink", partial(our_side, spec), options)
        theirs, choice = {}, None
        for size in options.trl_micro_batches:
            choice = Choice(size, "default")
            try:
                theirs = steps_of("trl", partial(trl_side, python, spec, choice), options)
                break
            except ChildProcessError:
                tell(f"TRL does not run with a micro-batch of {size}")
    if not theirs:
        raise SystemExit("TRL did not run with any of the micro-batches")
    ratio = theirs["wall"] / ours["wall"]
    per_token = (theirs["wall"] / theirs["tokens"]) / (ours["wall"] / ours["tokens"])
    found = {
        "step_wall_ratio": round(ratio, 3),
        "token_wall_ratio": round(per_token, 3),
        "details": {
            "groupthink": ours,
            "trl": theirs,
            "trl_micro_batch": choice.micro_batch if choice else None,
            "shape": options.shape,
            "responses": options.problems * options.group_size,
            "max_tokens": options.max_tokens,
            "mean_length": options.mean_length,
            "device": torch.cuda.get_device_name(),
        },
    }
    report(found, options, f"step_wall_ratio {ratio:.2f}  (aim: {AIM})")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="qwen3-0.6b")
    parser.add_argument("--problems", type=int, default=32, help="to a step")
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--max-tokens", type=int, default=1024, help="of a response")
    parser.add_argument("--mean-length", type=int, default=512, help="of a response, if nothing cut it off")
    parser.add_argument("--warmup", type=int, default=1, help="steps that do not count")
    parser.add_argument("--steps", type=int, default=3, help="steps that do")
    parser.add_argument("--trl-micro-batches", type=int, nargs="+", default=[32, 16, 8], help="responses, to be tried")
    parser.add_argument("--trl-python", type=Path, help="a Python that has TRL, in place of bench/.envs/trl")
    add_torch_index(parser)
    add_report(parser)
    return parser.parse_args()


def steps_of(name: str, opened: Any, options: argparse.Namespace) -> dict[str, Any]:
    """What a side's steps took, the first ones left out."""
    steps = []
    with opened() as side:
        for turn in range(options.warmup + options.steps):
            steps.append(side.step())
            tell(f"{name}, step {turn}: {steps[-1]['wall']:.2f} s, {steps[-1]['tokens']} tokens, {steps[-1]['phases']}")
        versions = side.versions
    counted = steps[options.warmup :]
    return {
        "wall": round(median(step["wall"] for step in counted), 3),
        "wall_of_each_step": [round(step["wall"], 3) for step in counted],
        "tokens": median(step["tokens"] for step in counted),
        "versions": versions,
    }


if __name__ == "__main__":
    main()
