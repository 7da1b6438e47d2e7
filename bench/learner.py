"""A learner's update by groupthink against one by TRL: the same model and responses on one core each, in turn.

    python bench/learner.py [--json] [--out FILE]

`cpu_ratio` is groupthink's processor time for an update over TRL's, of the medians. `limit_fraction` is the
time that an update's floating-point operations take at the rate of matrix products, over the time that
groupthink takes; `nano_limit_fraction` is the same for nano. Each side runs with the settings that are found to
be its fastest here. What is reported on the way goes to stderr.
"""

import argparse
import json
import math
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import environments
from report import add_report, add_torch_index, report
from turns import Spec
from vs_trl import Side, opened, processor, tell
from workload import draw, write_model

from groupthink.model.place import NANO

SEED = 0
WAYS: dict[str, dict[str, Any]] = {"eager": {}, "compiled": {"torch_compile": True}}
"""Ways in which TRL can run a model on a CPU, by what they add to its settings."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a side is run: Choice(micro_batch=4, way="eager")"""

    micro_batch: int  # computed at a time: tokens by groupthink, responses by TRL
    way: str  # one of WAYS

    def __str__(self) -> str:
        return f"micro-batch {self.micro_batch}, {self.way}"


@dataclass(frozen=True, slots=True)
class Trainer:
    """A side before it runs, and the settings to find its fastest among."""

    name: str
    python: Path | str
    script: str
    micro_batches: Sequence[int]
    ways: Sequence[str]

    @contextmanager
    def open(self, spec: Spec, workload: Path, choice: Choice) -> Iterator[Side]:
        words = (str(workload), str(choice.micro_batch), json.dumps(WAYS[choice.way]))
        yield from opened(Side(self.python, self.script, spec.to_json(), *words))


@dataclass(frozen=True, slots=True)
class Record:
    """What a side did."""

    versions: dict[str, str]
    updates: list[dict[str, Any]]  # the figures of each


def main() -> None:
    options = read_options()
    python = environments.make("trl", options.torch_index)
    us = Trainer("groupthink", sys.executable, "our_update.py", options.micro_batch, ["eager"])
    them = Trainer("trl", python, "trl_update.py", options.trl_micro_batch, options.trl_way)
    with tempfile.TemporaryDirectory() as name:
        model = Path(name) / "model"
        write_model(model, SEED)
        large = contest([us, them], model, options)
        nano = contest([us], NANO, options)
    found = {
        "cpu_ratio": round(large["groupthink"]["cpu"] / large["trl"]["cpu"], 3),
        "limit_fraction": large["groupthink"]["limit_fraction"],
        "nano_limit_fraction": nano["groupthink"]["limit_fraction"],
        "details": {
            "model": large,
            "nano": nano,
            "updates": options.updates,
            "warmup": options.warmup,
            "python": platform.python_version(),
            "processor": processor(),
        },
    }
    report(
        found,
        options,
        f"cpu_ratio {found['cpu_ratio']:.2f}  (aim: at most 0.85)",
        f"limit_fraction {found['limit_fraction']:.2f}  (aim: at least 0.70)",
        f"nano_limit_fraction {found['nano_limit_fraction']:.2f}  (aim: at least 0.55)",
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=4, help="prompts of an update")
    parser.add_argument("--group-size", type=int, default=8, help="responses to each prompt")
    parser.add_argument("--max-tokens", type=int, default=128, help="tokens of the longest responses")
    parser.add_argument("--updates", type=int, default=5, help="updates measured on each side")
    parser.add_argument("--warmup", type=int, default=2, help="updates before them that do not count")
    parser.add_argument("--trial-updates", type=int, default=1, help="updates measured for each setting tried")
    parser.add_argument(
        "--micro-batch", type=int, nargs="+", default=[512, 1024, 2048, 4096], help="tokens, to find the fastest of"
    )
    parser.add_argument(
        "--trl-micro-batch", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32], help="responses, likewise"
    )
    parser.add_argument("--trl-way", choices=WAYS, nargs="+", default=list(WAYS), help="ways to run it, likewise")
    add_torch_index(parser)
    add_report(parser)
    return parser.parse_args()


def contest(trainers: Sequence[Trainer], model: Path, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of each trainer by its name, each with its fastest settings, and what they learned from."""
    workload = draw(model, options.problems, options.group_size, options.max_tokens, SEED)
    spec = Spec(
        model=str(model),
        problems=options.problems,
        group_size=options.group_size,
        max_tokens=options.max_tokens,
        kl=0.0,
        learning_rate=1e-6,
        steps=options.warmup + options.updates,
        seed=SEED,
        core=max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
    )
    trial = replace(spec, steps=1 + options.trial_updates)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "workload.json"
        workload.write(file)
        found = [find_choice(trainer, trial, file) for trainer in trainers]
        records = compare(trainers, [choice for choice, _ in found], spec, file)
    figures: dict[str, Any] = {"prompt_tokens": workload.prompt_tokens, "response_tokens": workload.response_tokens}
    for trainer, (choice, tried), record in zip(trainers, found, records, strict=True):
        settings = {"choice": str(choice), "tried_cpu_seconds": tried, "versions": record.versions}
        figures[trainer.name] = summarise(record.updates[options.warmup :]) | settings
    return figures


def find_choice(trainer: Trainer, spec: Spec, workload: Path) -> tuple[Choice, dict[str, float | None]]:
    """The fastest micro-batch, then the fastest way with that; and what each one tried took."""
    seconds: dict[Choice, float] = {}

    def fastest(choices: Sequence[Choice]) -> Choice:
        for choice in choices:
            if len(choices) > 1 and choice not in seconds:
                seconds[choice] = try_choice(trainer, spec, workload, choice)
        return min(choices, key=lambda choice: seconds.get(choice, 0.0))

    best = fastest([Choice(size, trainer.ways[0]) for size in trainer.micro_batches])
    best = fastest([replace(best, way=way) for way in trainer.ways])
    return best, {str(choice): round(took, 3) if took < math.inf else None for choice, took in seconds.items()}


def try_choice(trainer: Trainer, spec: Spec, workload: Path, choice: Choice) -> float:
    """Processor seconds for an update, after one that does not count; infinite where it cannot be run."""
    try:
        with trainer.open(spec, workload, choice) as side:
            took = median([side.step()["cpu"] for _ in range(spec.steps)][1:])
    except ChildProcessError:
        took = math.inf
    tell(f"{trainer.name}, {choice}: " + (f"{took:.2f} s an update" if took < math.inf else "cannot be run"))
    return took


def compare(trainers: Sequence[Trainer], choices: Sequence[Choice], spec: Spec, workload: Path) -> list[Record]:
    """What each trainer did when they took turns; of an update they must find the same gradient."""
    with ExitStack() as stack:
        sides = [
            stack.enter_context(trainer.open(spec, workload, choice))
            for trainer, choice in zip(trainers, choices, strict=True)
        ]
        records = [Record(side.versions, []) for side in sides]
        for turn in range(spec.steps):
            for side, record in zip(sides, records, strict=True):
                record.updates.append(side.step())
            latest = {trainer.name: record.updates[turn] for trainer, record in zip(trainers, records, strict=True)}
            tell(f"update {turn}: " + "; ".join(f"{name} {update['cpu']:.2f} s" for name, update in latest.items()))
            norms = [update["grad_norm"] for update in latest.values()]
            if not math.isclose(min(norms), max(norms), rel_tol=1e-3):
                raise SystemExit(f"the sides' gradients differ, with norms {norms}: nothing can be compared")
    for name, version in records[0].versions.items():
        assert all(record.versions[name] == version for record in records), f"{name} differs between the sides"
    return records


def summarise(updates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A side's medians, and how near the limit they are where it measured that."""
    figures: dict[str, Any] = {name: round(median(update[name] for update in updates), 4) for name in ("cpu", "wall")}
    figures["cpu_of_each_update"] = [round(update["cpu"], 3) for update in updates]
    if "rates" in updates[0]:
        rates = {shape: median(update["rates"][shape] for update in updates) for shape in updates[0]["rates"]}
        operations = updates[0]["operations"]
        figures["limit_fraction"] = round(operations / max(rates.values()) / figures["cpu"], 4)
        figures["limit_operations"] = operations
        figures["product_gflops"] = {shape: round(rate / 1e9, 1) for shape, rate in rates.items()}
    return figures


if __name__ == "__main__":
    main()
