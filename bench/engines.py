"""Does what draws change what is learned? The default recipe by each engine, from the same seeds, paired by problem.

    python bench/engines.py [--seeds 0 1 2] [--json] [--out FILE]

Trains nano by the embedded engine, by vLLM, a step behind (`grpo_async`), and by two engines and two learners on a
cluster of Ray (`[scale]`), asks each on the same held-out problems, and compares them with the embedded engine's. Takes
two hours on two cores, but can be made in parts: a run that is there goes on where it stands, and one whose answers are
in FILE already is not made again.
"""

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import environments
import numpy as np
import pyarrow.parquet as parquet
from report import add_report, add_torch_index, keep, report
from vs_trl import processor, tell

from groupthink.insight.statistics import interval

REPOSITORY = Path(__file__).resolve().parent.parent
EMBEDDED = "embedded"
RECIPES = "the recipe's"
CHOICES = ("vllm", "async", "cluster")
BOUND = -0.03
"""By how much another engine may be worse, at the lower end of the interval."""


def main() -> None:
    options = read_options()
    kinds: dict[str, list[str]] = {EMBEDDED: []}
    if "vllm" in options.engines:
        python = environments.make("vllm", options.torch_index)
        kinds["vllm"] = ["rollout.engine=vllm", f"vllm.python={python}", "vllm.threads=2"]
    if "async" in options.engines:
        kinds["async"] = ["stage=grpo_async", "rollout.lag=1"]
    if "cluster" in options.engines:  # FSDP2 learners, too
        kinds["cluster"] = ["scale.engines=2", "scale.learners=2"]
    right = known(options)
    for seed in options.seeds:  # by seed, so that what is there early can be compared
        for kind, settings in kinds.items():
            if seed in right[kind]:
                continue
            steps = f"-{options.steps}-steps" if options.steps else ""
            run = options.runs / f"{kind}-{seed}-{options.problems}x{options.samples}{steps}"
            train(run, [*settings, f"seed={seed}", *asked(options)])
            right[kind][seed] = right_of(run)
            tell(f"{run.name}: {right[kind][seed].mean() / options.samples:.1%}")
            keep(summary(options, right), options.out)
    found = summary(options, right)
    against = found["against_embedded"].items()
    report(found, options, *(in_words(kind, figures) for kind, figures in against))


def in_words(kind: str, figures: dict[str, float]) -> str:
    low, high = f"{figures['low']:+.1%}", f"{figures['high']:+.1%}"
    return f"{kind}: {figures['mean']:+.1%} [{low}, {high}]  (aim: all of it above {BOUND:.0%})"


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--engines", nargs="+", choices=CHOICES, default=CHOICES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--problems", type=int, default=500, help="held-out ones")
    parser.add_argument("--samples", type=int, default=4, help="responses to each, at most 9")
    parser.add_argument("--steps", type=int, help="of training; without it the recipe's")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "engines", help="where they are kept")
    add_torch_index(parser)
    add_report(parser)  # the file is written after each run
    options = parser.parse_args()
    if not 1 <= options.samples <= 9:
        parser.error("--samples: a count of right responses is kept as one digit; take 1 to 9")
    return options


def asked(options: argparse.Namespace) -> list[str]:
    words = [f"evaluate.problems={options.problems}", f"evaluate.samples={options.samples}", "evaluate.base_samples=1"]
    return words + ([f"steps={options.steps}"] if options.steps else [])


def train(run: Path, settings: list[str]) -> None:
    """A run to its end, from wherever it stands."""
    if (run / "summary.json").exists():
        return
    words = ["--resume", "--run", run] if (run / "recipe.toml").exists() else ["--run", run, *settings]
    run.parent.mkdir(parents=True, exist_ok=True)
    with (run.parent / f"{run.name}.log").open("a") as log:
        command = [sys.executable, "-m", "groupthink.cli", "train", *map(str, words)]
        subprocess.run(command, check=True, stdout=log, stderr=log, cwd=REPOSITORY)


Right = dict[str, dict[int, np.ndarray]]
"""By engine and seed: for each held-out problem, in the order of their ids, how many of its responses were right."""


def right_of(run: Path, evaluation: str = "after") -> np.ndarray:
    rows = parquet.read_table(run / "evaluations" / f"{evaluation}.parquet").to_pylist()
    by_problem: dict[str, int] = defaultdict(int)
    for row in rows:
        if row["kind"] == "sampled":
            by_problem[row["problem"]] += bool(row["right"])
    return np.array([by_problem[problem] for problem in sorted(by_problem)])


def known(options: argparse.Namespace) -> Right:
    """What stands in the file already. Raises SystemExit where that was asked otherwise."""
    right: Right = defaultdict(dict)
    if options.out and options.out.exists():
        before = json.loads(options.out.read_text())
        alike = {"problems": options.problems, "samples": options.samples, "steps": options.steps or RECIPES}
        if any(before[name] != value for name, value in alike.items()):
            raise SystemExit(f"{options.out} holds runs that were made or asked otherwise: name another file")
        for kind, by_seed in before["right_by_problem"].items():
            right[kind] = {int(seed): np.array(list(digits), int) for seed, digits in by_seed.items()}
    return right


def summary(options: argparse.Namespace, right: Right) -> dict[str, Any]:
    """Differences are paired by seed and problem; the interval of their mean is over all such pairs."""
    against = {}
    for kind, by_seed in right.items():
        seeds = [seed for seed in by_seed if seed in right[EMBEDDED]]
        if kind != EMBEDDED and seeds:
            difference = np.concatenate([by_seed[seed] - right[EMBEDDED][seed] for seed in seeds]) / options.samples
            low, high = interval(difference)
            against[kind] = {"mean": round(float(difference.mean()), 4), "low": round(low, 4), "high": round(high, 4)}
    return {
        "against_embedded": against,
        "bound": BOUND,
        "accuracy": {
            kind: {str(seed): round(float(each.mean()) / options.samples, 4) for seed, each in by_seed.items()}
            for kind, by_seed in right.items()
        },
        "problems": options.problems,
        "samples": options.samples,
        "steps": options.steps or RECIPES,
        "processor": processor(),
        "right_by_problem": {  # a digit for each problem: how many of its responses
            kind: {str(seed): "".join(map(str, each)) for seed, each in by_seed.items()}
            for kind, by_seed in right.items()
        },
    }


if __name__ == "__main__":
    main()
