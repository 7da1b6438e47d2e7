"""What pure reinforcement learning makes of a base: accuracy, length, self-checking, and what the base could do anyway.

    python bench/zero.py [--seeds 0 1 2] [--json] [--out FILE]

Trains nano by `recipes/studies/zero.toml` and looks at its held-out answers before, on the way and after: are chains
longer where they are better, do more of them check themselves (R1-Zero's claim: arXiv 2501.12948, figures 3 and 9), and
does it solve what the base does not solve in 16 tries (arXiv 2504.13837: RL makes likely what the base could do), or
does it only need fewer of them?

It can be made in parts: a run that is there goes on where it stands, and one whose figures are in FILE already is not
made again.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
from engines import REPOSITORY, train
from report import add_report, keep, report
from vs_trl import processor, tell

from groupthink.insight.paired import Asked, Row
from groupthink.insight.report.figures import by_problem, figures_of
from groupthink.insight.statistics import Estimate, estimate, pass_at_k

RECIPE = REPOSITORY / "recipes" / "studies" / "zero.toml"
MEASURES = ("pass@1", "length", "format", "self_checking", "self_correction")
TRIES = (1, 2, 4, 8, 16)
"""The k of pass@k."""

Found = dict[str, Any]
"""Of one run: its figures after so many steps, and who was right before and after."""


def main() -> None:
    options = read_options()
    runs = known(options)
    for seed in options.seeds:
        if seed in runs:
            continue
        run = options.runs.resolve() / f"zero-{seed}"
        train(run, [str(RECIPE), f"seed={seed}", *options.words])
        runs[seed] = found_in(run)
        tell(f"{run.name}: pass@1 {runs[seed]['course'][0]['pass@1']:.1%} to {runs[seed]['course'][-1]['pass@1']:.1%}")
        keep(summary(options, runs), options.out)
    found = summary(options, runs)
    report(found, options, *in_words(found))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--words", nargs="*", default=[], help="key=value, for every run: steps=40")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "zero", help="where they are kept")
    add_report(parser)  # the file is written after each run
    return parser.parse_args()


def known(options: argparse.Namespace) -> dict[int, Found]:
    """What stands in the file already. Raises SystemExit where that was asked otherwise."""
    if not (options.out and options.out.exists()):
        return {}
    before = json.loads(options.out.read_text())
    if before["words"] != options.words:
        raise SystemExit(f"{options.out} holds runs that were made otherwise: name another file")
    return {int(seed): found for seed, found in before["runs"].items()}


# -- one run --


def found_in(run: Path) -> Found:
    """What a run that is done came to, by its evaluations."""
    names = ["before", *sorted(file.stem for file in (run / "evaluations").glob("step-*.json")), "after"]
    rows = {name: parquet.read_table(run / "evaluations" / f"{name}.parquet").to_pylist() for name in names}
    steps = json.loads((run / "summary.json").read_text())["steps"]
    course = [{"step": step_of(name, steps), **figures(rows[name])} for name in names]
    before, after = counts(rows["before"]), counts(rows["after"])
    shared = sorted(before.keys() & after.keys())
    return {
        "course": course,
        "samples": min(n for _, n in before.values()),
        "right_before": [before[problem][0] for problem in shared],
        "right_after": [after[problem][0] for problem in shared],
    }


def step_of(name: str, last: int) -> int:
    return {"before": 0, "after": last}[name] if not name.startswith("step-") else int(name.removeprefix("step-"))


def figures(rows: Sequence[Row]) -> dict[str, float | None]:
    """The means of `MEASURES` with their intervals, and pass@k."""
    found: dict[str, float | None] = {}
    for name, one in figures_of(rows, max(TRIES)).items():
        if name in MEASURES:
            found |= {
                name: rounded(one, "mean"),
                f"{name}_low": rounded(one, "low"),
                f"{name}_high": rounded(one, "high"),
            }
    right_PC = np.array([[row["right"] for row in some] for some in by_problem(rows, "sampled")])
    return found | {f"pass@{k}": round(pass_at_k(right_PC, k), 4) for k in TRIES}


def rounded(one: Estimate | None, what: str) -> float | None:
    return None if one is None else round(getattr(one, what), 4)


def counts(rows: Sequence[Row]) -> dict[Asked, tuple[int, int]]:
    """By problem: right samples, and samples."""
    found = by_problem(rows, "sampled")
    return {(some[0]["problem"], some[0]["prompt"]): (sum(row["right"] for row in some), len(some)) for some in found}


# -- all of them --


def summary(options: argparse.Namespace, runs: Mapping[int, Found]) -> dict[str, Any]:
    tries = {k: gain(list(runs.values()), k) for k in TRIES}
    return {
        "pass@16_gain": tries[16],  # after less before, paired by problem
        "pass@1_gain": tries[1],
        "pass@k_gain": {str(k): each for k, each in tries.items()},
        "unsolved_by_the_base": {str(seed): beyond(found) for seed, found in runs.items()},
        "length": first_and_last(runs, "length"),
        "self_checking": first_and_last(runs, "self_checking"),
        "words": options.words,
        "processor": processor(),
        "runs": {str(seed): found for seed, found in runs.items()},
    }


def gain(runs: Sequence[Found], k: int) -> dict[str, Any]:
    """By how much pass@k is higher than before: over held-out problems, each with the mean over seeds.

    Quadratics of all seeds have the same roots in the same order: a seed is no further sample of problems.
    """
    found = [
        [
            pass_of(after, found["samples"], k) - pass_of(before, found["samples"], k)
            for before, after in zip(found["right_before"], found["right_after"], strict=True)
        ]
        for found in runs
    ]
    one = estimate([*np.mean(found, axis=0)])
    assert one is not None
    return {
        "mean": round(one.mean, 4),
        "low": round(one.low, 4),
        "high": round(one.high, 4),
        "by_seed": [round(float(np.mean(each)), 4) for each in found],
    }


def pass_of(right: int, samples: int, k: int) -> float:
    """pass@k of one problem."""
    return pass_at_k(np.arange(samples)[None] < right, k)


def beyond(found: Found) -> dict[str, int]:
    """Problems that no sample of the base solves, how many of them some sample solves afterwards, and the reverse."""
    pairs = list(zip(found["right_before"], found["right_after"], strict=True))
    return {
        "problems": len(pairs),
        "never_before": sum(not before for before, _ in pairs),
        "of_them_after": sum(bool(after) for before, after in pairs if not before),
        "never_after": sum(not after for _, after in pairs),
        "of_them_before": sum(bool(before) for before, after in pairs if not after),
    }


def first_and_last(runs: Mapping[int, Found], measure: str) -> dict[str, list[float | None]]:
    return {str(seed): [found["course"][place][measure] for place in (0, -1)] for seed, found in runs.items()}


def in_words(found: Mapping[str, Any]) -> list[str]:
    lines = []
    for k, each in found["pass@k_gain"].items():
        by_seed = ", ".join(f"{one:+.1%}" for one in each["by_seed"])
        lines.append(f"pass@{k}: {each['mean']:+.1%} [{each['low']:+.1%}, {each['high']:+.1%}]; by seed {by_seed}")
    for seed, one in found["unsolved_by_the_base"].items():
        lines.append(
            f"seed {seed}: of {one['never_before']} problems that the base never solves, {one['of_them_after']} are "
            f"solved; of {one['never_after']} that are not solved afterwards, the base solves {one['of_them_before']}"
        )
    for seed in found["runs"]:
        (short, long), (few, many) = found["length"][seed], found["self_checking"][seed]
        lines.append(f"seed {seed}: {short:.0f} to {long:.0f} tokens, {few:.1%} to {many:.1%} check themselves")
    return lines


if __name__ == "__main__":
    main()
