"""How long groupthink and TRL take from the base to an accuracy: the same model, problems, rewards and two cores.

    python bench/time_to_accuracy.py [--json] [--out FILE]

`time_to_accuracy_ratio` is TRL's time over groupthink's. Each side is given the same grid of learning rates and updates
a batch; what is fastest with the first seed is run with all, and the median counts. Time is the wall time of its steps,
on as many cores as it can use; its model is asked in between, for which no time counts. Takes more than an hour; with
`--kept FILE` it goes on from the runs that are in that file.
"""

import argparse
import itertools
import json
import math
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import environments
from report import add_report, add_torch_index, report
from turns import Spec
from vs_trl import Choice, Side, our_side, processor, tell, trl_side

from groupthink.model.place import resolve
from groupthink.stage.evaluate import evaluate_model


@dataclass(frozen=True, slots=True)
class Point:
    """A point of the grid."""

    learning_rate: float
    updates: int  # to a batch

    def __str__(self) -> str:
        return f"learning rate {self.learning_rate:g}, {self.updates} updates a batch"


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a run."""

    seconds: float  # of steps, until the accuracy was there; infinite where it was not
    steps: int
    curve: list[tuple[int, float, float]]  # steps, seconds, accuracy


Open = Callable[[Spec], AbstractContextManager[Side]]


def main() -> None:
    options = read_options()
    spec = Spec(
        model=str(Path(resolve("nano")).resolve()),
        problems=16,
        group_size=8,
        max_tokens=200,
        kl=0.001,
        learning_rate=0.0,
        steps=options.steps,
        seed=0,
        core=None,
        warmup=5,
        schedule="linear",
    )
    python = environments.make("trl", options.torch_index)
    ours = replace(spec, processes=options.cores)
    theirs = replace(spec, threads=options.trl_threads)
    sides: dict[str, tuple[Open, Spec]] = {
        "groupthink": (our_side, ours),
        "trl": (lambda its: trl_side(python, its, Choice(options.trl_micro_batch, "default")), theirs),
    }
    found: dict[str, Any] = {}
    grid = [Point(*point) for point in itertools.product(options.learning_rates, options.updates)]
    for name, (opened, its) in sides.items():
        found[name], seconds = best_of_grid(name, grid, partial(run_once, name, opened, its, options), options.seeds)
        # What is fast on one side is tried first on the other, and the rest is given up that much sooner.
        grid.sort(key=lambda point: seconds[point])
    ratio = found["trl"]["seconds"] / found["groupthink"]["seconds"]
    answer = {
        "time_to_accuracy_ratio": round(ratio, 3),
        "details": {
            **found,
            "target": options.target,
            "problems": options.problems,
            "steps_of_the_schedule": options.steps,
            "cores": options.cores,
            "trl_threads": options.trl_threads,
            "trl_micro_batch": options.trl_micro_batch,
            "processor": processor(),
        },
    }
    report(answer, options, f"time_to_accuracy_ratio {ratio:.2f}  (aim: at least 2.5)")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--target", type=float, default=0.9, help="pass@1 on held-out problems, sampled at temperature 1"
    )
    parser.add_argument("--problems", type=int, default=200, help="that it is measured on")
    parser.add_argument("--every", type=int, default=10, help="steps between measurements")
    parser.add_argument("--steps", type=int, default=100, help="after which the learning rate is at 0, and a run ends")
    parser.add_argument("--learning-rates", type=float, nargs="+", default=[6e-4, 1.2e-3])
    parser.add_argument("--updates", type=int, nargs="+", default=[1, 2], help="to a batch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--trl-threads", type=int, default=2, help="the faster one, as vs_trl.py finds it")
    parser.add_argument("--trl-micro-batch", type=int, default=16, help="responses; the fastest, likewise")
    add_torch_index(parser)
    parser.add_argument("--kept", type=Path, help="a file for the runs that are made, to go on from")
    add_report(parser)
    return parser.parse_args()


def best_of_grid(
    name: str, grid: list[Point], run_it: Callable[[Point, int, float], Run], seeds: list[int]
) -> tuple[dict[str, Any], dict[Point, float]]:
    """The grid with the first seed, then its fastest point with the others; and the seconds of each point."""
    first, *others = seeds
    tried: dict[Point, Run] = {}
    for point in grid:
        least = min((one.seconds for one in tried.values()), default=math.inf)  # a slower one need not be finished
        tried[point] = run_it(point, first, least)
        tell(f"{name}, {point}: {describe(tried[point])}")
    best = min(grid, key=lambda point: tried[point].seconds)
    if tried[best].seconds == math.inf:
        raise SystemExit(f"{name} did not reach the target anywhere on the grid: give it more --steps")
    runs = {first: tried[best]} | {seed: run_it(best, seed, math.inf) for seed in others}
    for seed in others:
        tell(f"{name}, {best}, seed {seed}: {describe(runs[seed])}")
    figures = {
        "seconds": round(median(one.seconds for one in runs.values()), 1),
        "choice": str(best),
        "seconds_of_each_seed": {str(seed): rounded(one.seconds) for seed, one in runs.items()},
        "steps_of_each_seed": {str(seed): one.steps for seed, one in runs.items()},
        "curves": {str(seed): one.curve for seed, one in runs.items()},
        "grid_seconds": {str(point): rounded(one.seconds) for point, one in tried.items()},
        "grid_steps": {str(point): one.steps for point, one in tried.items()},
    }
    return figures, {point: one.seconds for point, one in tried.items()}


def run_once(
    name: str, opened: Open, spec: Spec, options: argparse.Namespace, point: Point, seed: int, most_seconds: float
) -> Run:
    """A run, or what is kept of it."""
    key = f"{name}, {point}, seed {seed}"
    kept = json.loads(options.kept.read_text()) if options.kept and options.kept.exists() else {}
    if key not in kept:
        kept[key] = asdict(run(opened, spec, options, point, seed, most_seconds))
        if options.kept:
            options.kept.parent.mkdir(parents=True, exist_ok=True)
            options.kept.write_text(json.dumps(kept))
    return Run(**kept[key])


def run(opened: Open, spec: Spec, options: argparse.Namespace, point: Point, seed: int, most_seconds: float) -> Run:
    """Steps until the accuracy is there, or so many seconds are spent."""
    asked = replace(spec, learning_rate=point.learning_rate, updates=point.updates, seed=seed)
    seconds, curve = 0.0, []
    with opened(asked) as side:
        for step in range(1, options.steps + 1):
            seconds += side.step()["wall"]
            if step % options.every == 0:
                curve.append((step, round(seconds, 1), accuracy(side, options)))
                tell(f"  step {step}, {seconds:.0f} s: {curve[-1][2]:.1%}")
                if curve[-1][2] >= options.target:
                    return Run(seconds, step, curve)
            if seconds >= most_seconds:
                break
    return Run(math.inf, step, curve)


def accuracy(side: Side, options: argparse.Namespace) -> float:
    """That of the model as it is."""
    with saved(side) as folder:
        return float(evaluate_model(folder, problems=options.problems)["pass@1"])


@contextmanager
def saved(side: Side) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        side.save(folder)
        yield folder


def describe(one: Run) -> str:
    return f"{one.seconds:.0f} s, {one.steps} steps" if one.seconds < math.inf else f"not within {one.steps} steps"


def rounded(seconds: float) -> float | None:
    return round(seconds, 1) if seconds < math.inf else None


if __name__ == "__main__":
    main()
