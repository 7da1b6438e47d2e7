"""groupthink's embedded engine against transformers' `generate` and vLLM: tokens a second on two cores, in turn.

    python bench/rollout.py [--json] [--out FILE]

All draw from the same law: one model, the same prompts and group size, temperature 1, and stops that come by
themselves. `vs_transformers` and `vs_vllm` are groupthink's tokens a second over theirs, of the medians.
`limit_fraction` is the time that the floating-point operations take at the rate of matrix products on the same cores
(on a GPU: what must be read, at the rate of its memory), over the time that groupthink takes. Each of the others runs
with the settings that are found to be its fastest here. What is reported on the way goes to stderr.
"""

import argparse
import json
import os
import platform
import random
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import environments
from engines import REPOSITORY, train
from report import add_report, add_torch_index, report
from rollout_drawing import Drawing
from rollout_engines import Contender, Entrant, enter, open_all
from vs_trl import Side, processor, tell
from workload import FIRST_ID, write_model

from groupthink.model.chat import Chat, stop_ids
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.task import open_task

SEED = 0
CACHES = ("dynamic", "static")
PROMPT_TOKENS = (20, 40)  # of a random prompt: the shortest and the longest
MEAN_LENGTH = 64  # of a random model's responses, if nothing cut them off


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is drawn from a model, and what is hoped for."""

    problems: int  # prompts of a turn
    max_tokens: int  # of a response
    aims: dict[str, float]


PLANS = {
    "nano": Plan(16, 200, {"vs_transformers": 2.5, "vs_vllm": 1.5, "limit_fraction": 0.5}),
    "40m": Plan(8, 128, {"vs_transformers": 1.5, "vs_vllm": 0.9}),
}


def main() -> None:
    options = read_options()
    options.vllm_python = options.vllm_python or environments.make("vllm", options.torch_index)
    contests = {name: contest(name, options) for name in options.models}
    found = {
        "details": {
            **{name: details for name, (_, details) in contests.items()},
            "group_size": options.group_size,
            "turns": options.turns,
            "device": options.device,
            "dtype": options.dtype,
            "python": platform.python_version(),
            "processor": processor(),
        },
        **{name: figures for name, (figures, _) in contests.items()},
    }
    lines = []
    for name, (figures, _) in contests.items():
        for figure, value in figures.items():
            aim = PLANS[name].aims.get(figure)
            lines.append(f"{name} {figure} {value:.2f}" + (f"  (aim: at least {aim})" if aim else ""))
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", choices=PLANS, nargs="+", default=list(PLANS), help="what to draw from")
    parser.add_argument(
        "--run",
        type=Path,
        default=REPOSITORY / "runs" / "rollout",
        help="a run of the default recipe, whose nano draws: made where it is not there",
    )
    parser.add_argument("--problems", type=int, help="prompts of a turn (nano: 16, 40m: 8)")
    parser.add_argument("--group-size", type=int, default=8, help="responses to each prompt")
    parser.add_argument(
        "--turns", type=int, default=5, help="turns that are measured, after those in which settings are tried"
    )
    parser.add_argument("--threads", type=int, nargs="+", help="the others', to find the fastest of (on a CPU 1 2)")
    parser.add_argument("--cache", choices=CACHES, nargs="+", default=list(CACHES), help="transformers', likewise")
    parser.add_argument("--batch", type=int, nargs="+", default=[128, 64, 32], help="transformers' rows, likewise")
    parser.add_argument("--vllm-eager", action="store_true", help="run vLLM uncompiled, for want of a C++ compiler")
    parser.add_argument("--vllm-python", type=Path, help="a Python that has vLLM, in place of bench/.envs/vllm")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda asks for --vllm-python, too")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="what all compute in")
    add_torch_index(parser)
    add_report(parser)
    options = parser.parse_args()
    if options.device == "cuda" and not options.vllm_python:
        parser.error("bench/.envs/vllm is for a CPU: name a Python that has vLLM for a GPU with --vllm-python")
    options.threads = options.threads or ([1, 2] if options.device == "cpu" else [1])
    return options


def contest(name: str, options: argparse.Namespace) -> tuple[dict[str, float], dict[str, Any]]:
    """The figures of a model, and what they are made of."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        drawing = prepare(name, Path(folder) / "model", options)
        file = Path(folder) / "drawing.json"
        drawing.write(file)
        contenders = contenders_of(drawing, options)
        opened = open_all(contenders, file, stack)
        entrants = [
            enter(contender, programs, drawing.max_tokens)
            for contender, programs in zip(contenders, opened, strict=True)
        ]
        cores = drawing.cores or [None] * (2 if options.device == "cpu" else 1)
        meters = [Side(sys.executable, "rollout_limit.py", str(file), json.dumps(core)) for core in cores]
        for meter in meters:
            stack.callback(meter.close)
        answers, rates = [], []
        for turn in range(1, 1 + options.turns):
            answers.append(take_turn(name, turn, drawing.max_tokens, entrants))
            rates.append(rates_together(meters))
        details = {
            entrant.name: summarise([answer[entrant.name] for answer in answers]) | entrant.described()
            for entrant in entrants
        }
    ours = details["groupthink"]
    limit = limit_of([answer["groupthink"] for answer in answers], rates, options.device)
    figures = {
        f"vs_{its}": round(ours["tokens_per_second"] / details[its]["tokens_per_second"], 3)
        for its in ("transformers", "vllm")
    }
    size = {
        "problems": len(drawing.prompts[0]),
        "prompt_tokens_of_each_turn": [sum(map(len, its)) for its in drawing.prompts[1:]],
    }
    return figures | {"limit_fraction": limit["fraction"]}, size | details | {"limit": limit}


def contenders_of(drawing: Drawing, options: argparse.Namespace) -> list[Contender]:
    rows = len(drawing.prompts[0]) * drawing.group_size
    sizes = [*dict.fromkeys(min(size, rows) for size in options.batch)]
    ways = {"threads": options.threads, "cache": options.cache, "batch": sizes}
    openings = [{"threads": threads, "compiled": not options.vllm_eager} for threads in options.threads]
    return [
        Contender("groupthink", sys.executable, "rollout_ours.py"),
        Contender("transformers", sys.executable, "rollout_transformers.py", ways=ways),
        Contender("vllm", options.vllm_python, "rollout_vllm.py", openings=openings),
    ]


def prepare(name: str, folder: Path, options: argparse.Namespace) -> Drawing:
    """What is to be drawn, from a model that lies in a folder when this returns.

    nano is one that the default recipe has trained, and is given its own task's problems. A random model has random
    prompts, and many stop tokens: drawn from its nearly uniform law, one comes after MEAN_LENGTH tokens on average, at
    any time.
    """
    turns, problems = range(1 + options.turns), options.problems or PLANS[name].problems
    if name == "nano":
        train(options.run, [])
        folder = options.run / "model"
        chat, task = Chat(load_tokenizer(folder)), open_task("quadratics", SEED)
        prompts = [[chat.encode(problem.prompt).tolist() for problem in task.sample(turn, problems)] for turn in turns]
    else:
        write_model(folder, SEED)
        vocabulary = json.loads((folder / "config.json").read_text())["vocab_size"]
        chance, words = random.Random(SEED), range(FIRST_ID, vocabulary)
        settings = folder / "generation_config.json"
        stops = {"eos_token_id": sorted(chance.sample(words, vocabulary // MEAN_LENGTH))}
        settings.write_text(json.dumps(json.loads(settings.read_text()) | stops))
        prompts = [[chance.choices(words, k=chance.randint(*PROMPT_TOKENS)) for _ in range(problems)] for _ in turns]
    tokenizer, model = load_tokenizer(folder), load_model(folder)
    return Drawing(
        model=str(folder),
        prompts=prompts,
        group_size=options.group_size,
        max_tokens=PLANS[name].max_tokens,
        stop_ids=sorted(stop_ids(tokenizer, model)),
        pad_id=tokenizer.pad_token_id or 0,
        device=options.device,
        dtype=options.dtype,
        cores=two_cores() if options.device == "cpu" else None,
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )


def two_cores() -> list[int] | None:
    """Two processor cores, or as many as there are; None where the system lets nobody choose."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    of_core = {}  # of the hardware threads of a core, the last one
    for cpu in sorted(os.sched_getaffinity(0)):
        place = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        of_core[place.read_text() if place.exists() else cpu] = cpu
    return sorted(of_core.values())[-2:]


def take_turn(name: str, turn: int, max_tokens: int, entrants: Sequence[Entrant]) -> dict[str, dict[str, Any]]:
    """What each drew, by its name; one works at a time."""
    answers = {entrant.name: entrant.draw(turn, max_tokens) for entrant in entrants}
    told = "; ".join(f"{its} {answer['tokens_per_second']:.0f}" for its, answer in answers.items())
    tell(f"{name}, turn {turn}, tokens/s: {told}")
    return answers


def rates_together(meters: Sequence[Side]) -> dict[str, float]:
    """The sums of what the meters find while all of them are at work."""
    with ThreadPoolExecutor(len(meters)) as pool:
        found = [answer["rates"] for answer in pool.map(Side.step, meters)]
    return {shape: sum(rates[shape] for rates in found) for shape in found[0]}


def limit_of(answers: Sequence[dict[str, Any]], rates: Sequence[dict[str, float]], device: str) -> dict[str, Any]:
    """How near the limit groupthink is, and by which figures."""
    what = "operations" if device == "cpu" else "bytes"
    medians = {shape: median(turn[shape] for turn in rates) for shape in rates[0]}
    shape = max(medians, key=lambda each: medians[each])
    return {
        "fraction": round(median(answer[what] / answer["seconds"] for answer in answers) / medians[shape], 4),
        "of": what,
        f"{what}_of_each_turn": [answer[what] for answer in answers],
        "rate": shape,  # the fastest of those measured
        "billions_per_second": {shape: round(rate / 1e9, 1) for shape, rate in medians.items()},
    }


def summarise(answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """An engine's median, and what each turn gave."""
    rounded = {
        "tokens_per_second": 1,
        "seconds": 4,
        "tokens": None,
        "median_length": None,
        "longest": None,
        "stopped": 3,
    }
    each = {name: [round(answer[name], digits) for answer in answers] for name, digits in rounded.items()}
    found = {"tokens_per_second": median(each["tokens_per_second"])}
    return found | {f"{name}_of_each_turn": values for name, values in each.items()}


if __name__ == "__main__":
    try:
        main()
    except ChildProcessError as gone:
        raise SystemExit(f"{gone}; nothing can be compared") from None
