"""What nano learns from quadratics whose answers are withheld: a group's own vote is the label (TTRL).

    python bench/majority.py [--json] [--steps 140] [--seeds 3] [--runs runs/majority]

`gain`: held-out pass@1 after less before, the mean over seeds, against known answers, as evaluations have it. The
training problems have none: rewards are the vote and the format. A run that is there is not made again.
"""

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

from engines import REPOSITORY, train
from report import add_report, report

SETTINGS = ("task.unlabelled=true", "reward.majority=0.8", "reward.format=0.2")
AIM = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_report(parser)
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "majority")
    options = parser.parse_args()
    runs = [study(options.runs.resolve(), seed, options.steps) for seed in range(options.seeds)]
    found = {"gain": mean(one["after"] - one["before"] for one in runs), "aim": AIM, "runs": runs}
    report(found, options, f"held-out accuracy: {found['gain']:+.1%} (aim {AIM:+.0%})")


def study(runs: Path, seed: int, steps: int) -> dict[str, Any]:
    """The figures of one run, made to its end."""
    run = runs / f"{steps}-steps-{seed}"
    train(run, [*SETTINGS, f"seed={seed}", f"steps={steps}"])
    return {
        when: json.loads((run / "evaluations" / f"{when}.json").read_text())["pass@1"] for when in ("before", "after")
    }


if __name__ == "__main__":
    main()
