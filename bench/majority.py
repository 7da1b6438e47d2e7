"""What nano learns from quadratics whose answers are withheld: a group's own vote is the label (TTRL).

    python bench/majority.py [--json] [--steps 140] [--seeds 3] [--runs runs/majority]

`gain`: held-out pass@1 after less before, the mean over seeds, against known answers, as evaluations have it. The
training problems have none: rewards are the vote and the format.
"""

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

from groupthink import stage
from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.terminal import open_view
from groupthink.task import TASKS, open_task
from groupthink.task.unlabelled import Unlabelled

NAME = "quadratics_unlabelled"
SETTINGS = (f"task.name={NAME}", "reward.accuracy=0", "reward.brevity=0", "reward.majority=0.8", "reward.format=0.2")
AIM = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--out", type=Path, help="a file for the figures")
    parser.add_argument("--steps", type=int, default=140)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=Path, default=Path("runs/majority"))
    options = parser.parse_args()
    register()
    runs = [
        study(options.runs / f"seed-{seed}", f"seed={seed}", f"steps={options.steps}") for seed in range(options.seeds)
    ]
    found = {"gain": mean(one["after"] - one["before"] for one in runs), "aim": AIM, "runs": runs}
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found) if options.json else f"held-out accuracy: {found['gain']:+.1%} (aim {AIM:+.0%})")


def register() -> None:
    """Make the task known by its name, in this process."""
    TASKS[NAME] = lambda seed, split, *rest: Unlabelled(open_task("quadratics", seed, split))


def study(path: Path, *settings: str) -> dict[str, Any]:
    """The figures of one run, made to its end."""
    run = Run.create(path, load_recipe(None, (*SETTINGS, *settings)))
    view = open_view()
    view.started(run.recipe, run.remaining_steps())
    stage.train(run, view)
    return {name: run.read_evaluation(name).figures["pass@1"] for name in ("before", "after")}


if __name__ == "__main__":
    main()
