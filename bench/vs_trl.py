"""A GRPO step of groupthink against one of TRL: the same model and problems, in turn, on one core and on two.

    python bench/vs_trl.py [--json] [--out FILE]

`step_cpu_ratio` is TRL's processor time for a step over groupthink's, of the medians. `limit_fraction` is
the time that a step's floating-point operations take at the rate of matrix products, over the time that
groupthink takes. `step_wall_ratio` is TRL's wall time over groupthink's where each may use two cores. TRL runs
in an environment of its own, which this makes, with the micro-batch and the way of generating that are found
to be its fastest here. What is reported on the way goes to stderr.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import environments
from report import add_report, add_torch_index, report
from turns import Spec

from groupthink.model.place import resolve

BENCH = Path(__file__).resolve().parent
REPOSITORY = BENCH.parent

GENERATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "static cache": {"cache_implementation": "static"},
}
"""Ways in which TRL can generate on a CPU, by what they add to its settings."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How TRL is run: Choice(micro_batch=16, generation="default")"""

    micro_batch: int  # responses computed at a time
    generation: str  # one of GENERATIONS


class Side:
    """A running program that takes a step when asked."""

    def __init__(self, python: Path | str, script: str, *arguments: str, threads: int = 1, gpu: bool = False):
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        few_threads = {name: str(threads) for name in names}
        quiet = {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        hidden = {"CUDA_VISIBLE_DEVICES": ""}
        path = os.pathsep.join([str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.process = subprocess.Popen(
            [str(python), str(BENCH / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **few_threads, **quiet, **({} if gpu else hidden), "PYTHONPATH": path},
        )
        self.versions: dict[str, str] = self._answer()["versions"]

    def step(self) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write("step\n")
        self.process.stdin.flush()
        return self._answer()

    def save(self, folder: str) -> None:
        """Have it write its model into a folder."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"save {folder}\n")
        self.process.stdin.flush()
        self._answer()

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise ChildProcessError(f"{Path(str(self.process.args[1])).name} ended early: its last words are above")
        return json.loads(line)


def main() -> None:
    options = read_options()
    spec = spec_of(options)
    python = environments.make("trl", options.torch_index)
    choice, tried = find_choice(python, spec, options)
    ours, theirs, versions = compare(python, spec, choice, options.warmup)
    found = summarise(ours, theirs)
    if options.cores > 1:
        wall = compare_wall(python, replace(spec, core=None), choice, options)
        found = {"step_wall_ratio": wall.pop("step_wall_ratio"), **found}
        found["details"]["wall"] = wall
    found["details"] |= {
        "spec": {name: value for name, value in json.loads(spec.to_json()).items() if name not in ("model", "core")},
        "model": str(options.model),
        "steps": options.steps,
        "warmup": options.warmup,
        "trl_micro_batch": choice.micro_batch,
        "trl_generation": choice.generation,
        "trl_tried_cpu_seconds": tried,
        "versions": {**versions, "python": platform.python_version(), "processor": processor()},
    }
    aims = {"step_cpu_ratio": "  (aim: at least 1.4)", "limit_fraction": "", "step_wall_ratio": "  (aim: at least 2)"}
    report(found, options, *(f"{name} {found[name]:.2f}{aim}" for name, aim in aims.items() if name in found))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="nano", help="nano, a run, a checkpoint or a local folder")
    parser.add_argument("--problems", type=int, default=16, help="problems to a step")
    parser.add_argument("--group-size", type=int, default=8, help="responses to each problem")
    parser.add_argument("--max-tokens", type=int, default=200, help="tokens of a response")
    parser.add_argument("--kl", type=float, default=0.001, help="weight of the KL divergence, above 0")
    parser.add_argument("--steps", type=int, default=7, help="steps measured on each side")
    parser.add_argument("--warmup", type=int, default=2, help="steps before them that do not count")
    parser.add_argument("--trial-steps", type=int, default=2, help="steps measured for each setting of TRL tried")
    parser.add_argument("--micro-batch", type=int, help="TRL's; without it the fastest is found")
    parser.add_argument("--generation", choices=GENERATIONS, help="TRL's; without it the fastest is found")
    parser.add_argument("--cores", type=int, default=2, help="for the comparison in wall time; 1: leave it out")
    add_torch_index(parser)
    add_report(parser)
    return parser.parse_args()


def spec_of(options: argparse.Namespace) -> Spec:
    folder = resolve(options.model)
    if not isinstance(folder, Path) or not any(folder.glob("*.safetensors")):
        raise SystemExit(f"{options.model} has no weights here: give a folder that holds a model, by --model FOLDER")
    return Spec(
        model=str(folder.resolve()),
        problems=options.problems,
        group_size=options.group_size,
        max_tokens=options.max_tokens,
        kl=options.kl,
        learning_rate=1e-6,
        steps=options.warmup + options.steps,
        seed=0,
        core=max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
    )


def find_choice(python: Path, spec: Spec, options: argparse.Namespace) -> tuple[Choice, dict[str, float | None]]:
    """TRL's fastest micro-batch, then its fastest way to generate with that; and what each one tried took."""
    tried: dict[str, float | None] = {}

    def seconds(choice: Choice) -> float:
        took = try_choice(python, replace(spec, steps=1 + options.trial_steps), choice)
        name = f"micro-batch {choice.micro_batch}, {choice.generation}"
        tried[name] = None if took is None else round(took, 3)
        tell(f"TRL, {name}: " + ("cannot be run" if took is None else f"{took:.2f} s a step"))
        return float("inf") if took is None else took

    sizes = [options.micro_batch] if options.micro_batch else micro_batches(spec)
    ways = [options.generation] if options.generation else list(GENERATIONS)
    if len(sizes) == len(ways) == 1:
        return Choice(sizes[0], ways[0]), tried
    by_size = {seconds(choice): choice for choice in (Choice(size, ways[0]) for size in sizes)}
    best = by_size[min(by_size)]
    by_way = {seconds(choice): choice for choice in (replace(best, generation=way) for way in ways[1:])}
    return min((by_size | by_way).items())[1], tried


def micro_batches(spec: Spec) -> list[int]:
    """Divisors of a step's responses by which a step is cut into 1, 2, 4, ... 32 micro-batches."""
    responses = spec.problems * spec.group_size
    return [responses // parts for parts in (1, 2, 4, 8, 16, 32) if responses % parts == 0]


def try_choice(python: Path, spec: Spec, choice: Choice) -> float | None:
    """TRL's processor seconds for a step, after one that does not count; None where it cannot be run."""
    try:
        with trl_side(python, spec, choice) as side:
            return median([side.step()["cpu"] for _ in range(spec.steps)][1:])
    except ChildProcessError:
        return None


def compare(
    python: Path, spec: Spec, choice: Choice, warmup: int
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
    """The figures of each measured step of groupthink and of TRL, and the versions of what ran."""
    ours, theirs = [], []
    with our_side(spec) as us, trl_side(python, spec, choice) as them:
        versions = them.versions
        for name, version in us.versions.items():
            assert versions[name] == version, f"{name} is {version} here and {versions[name]} beside TRL"
        for turn in range(spec.steps):
            a, b = us.step(), them.step()
            if a["prompt_tokens"] != b["prompt_tokens"]:
                raise SystemExit("the two sides were given different prompts: nothing can be compared")
            tell(f"step {turn}: groupthink {describe(a)}; TRL {describe(b)}" + " (warm-up)" * (turn < warmup))
            ours.append(a)
            theirs.append(b)
    return ours[warmup:], theirs[warmup:], versions


def compare_wall(python: Path, spec: Spec, choice: Choice, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of wall time for a step, each side free to use `cores`: TRL by threads, if that is faster than one."""
    trial, tried = replace(spec, steps=1 + options.trial_steps), {}
    for threads in (1, options.cores):
        with trl_side(python, replace(trial, threads=threads), choice) as side:
            tried[threads] = median([side.step()["wall"] for _ in range(trial.steps)][1:])
        tell(f"TRL, {threads} threads: {tried[threads]:.2f} s a step")
    threads = min(tried, key=lambda each: tried[each])
    us, them = replace(spec, processes=options.cores), replace(spec, threads=threads)
    seconds: dict[str, list[float]] = {"groupthink": [], "trl": []}
    with our_side(us) as ours, trl_side(python, them, choice) as theirs:
        for turn in range(spec.steps):
            for name, side in (("groupthink", ours), ("trl", theirs)):
                seconds[name].append(side.step()["wall"])
            tell(f"step {turn}: groupthink {seconds['groupthink'][-1]:.2f} s; TRL {seconds['trl'][-1]:.2f} s")
    counted = {name: each[options.warmup :] for name, each in seconds.items()}
    return {
        "step_wall_ratio": round(median(counted["trl"]) / median(counted["groupthink"]), 3),
        "cores": options.cores,
        "trl_threads": threads,
        "trl_tried_wall_seconds": {str(each): round(took, 3) for each, took in tried.items()},
        "wall_of_each_step": {name: [round(took, 3) for took in each] for name, each in counted.items()},
    }


@contextmanager
def our_side(spec: Spec) -> Iterator[Side]:
    yield from opened(Side(sys.executable, "our_step.py", spec.to_json(), gpu=spec.device == "cuda"))


@contextmanager
def trl_side(python: Path, spec: Spec, choice: Choice) -> Iterator[Side]:
    generation = json.dumps(GENERATIONS[choice.generation])
    words = (spec.to_json(), str(choice.micro_batch), generation)
    yield from opened(Side(python, "trl_step.py", *words, threads=spec.threads, gpu=spec.device == "cuda"))


def opened(side: Side) -> Iterator[Side]:
    try:
        yield side
    finally:
        side.close()


def summarise(ours: Sequence[dict[str, Any]], theirs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The two figures, and the medians that they are made of."""
    us, them = medians(ours), medians(theirs)
    rates = {shape: median(step["rates"][shape] for step in ours) for shape in ours[0]["rates"]}
    shape, rate = max(rates.items(), key=lambda item: item[1])
    operations = median(step["operations"] for step in ours)
    per_token = us["cpu"] / us["tokens"]
    return {
        "step_cpu_ratio": round(them["cpu"] / us["cpu"], 3),
        "limit_fraction": round(operations / rate / us["cpu"], 4),
        "details": {
            "token_cpu_ratio": round(them["cpu"] / them["tokens"] / per_token, 3),
            "groupthink": us,
            "trl": them,
            "limit_cpu_seconds": round(operations / rate, 4),
            "limit_operations": operations,
            "limit_rate_shape": shape,  # the fastest of those measured
            "product_gflops": {shape: round(rate / 1e9, 1) for shape, rate in rates.items()},
        },
    }


def medians(steps: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Processor and wall-clock seconds, tokens and phases of a side, each the median over its steps."""
    phases = {name: round(median(step["phases"][name] for step in steps), 4) for name in steps[0]["phases"]}
    numbers = {name: round(median(step[name] for step in steps), 4) for name in ("cpu", "wall", "tokens", "longest")}
    return {**numbers, "cpu_of_each_step": [round(step["cpu"], 3) for step in steps], "cpu_of_phases": phases}


def describe(step: dict[str, Any]) -> str:
    return f"{step['cpu']:.2f} s, {step['tokens']} tokens"


def processor() -> str:
    """What Linux calls the processor; elsewhere what Python knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
