"""Does it matter when actors are killed? The same run on a cluster undisturbed, and with actors killed at random.

    python bench/killed.py [--kills 20] [--seed 0] [--json] [--out FILE]

Trains nano with two engines, two learners and a worker for rewards, each an actor of Ray, and kills one of them
(SIGKILL) at moments that `--seed` draws, each kind in turn. Afterwards both runs must have the same steps, the same
responses, and weights that differ by no more than rounding.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
from engines import REPOSITORY
from report import add_report, report
from safetensors.numpy import load_file
from vs_trl import processor, tell

from groupthink.run.metrics import read_metrics

KINDS = {"engine": "ray::EngineActor", "learner": "ray::Rank", "reward": "ray::RewardWorker"}
"""Titles of the processes."""

PAUSE = (2.0, 8.0)
"""Seconds between an actor that is there again, or has been missed, and the next kill."""


def main() -> None:
    options = read_options()
    words = [
        *("scale.engines=2", "scale.learners=2", "scale.rewards=1", "scale.patience=120", "checkpoint_every=10"),
        *("evaluate.problems=20", "evaluate.samples=2", "evaluate.base_samples=1", f"steps={options.steps}"),
        *("scale.failures=6", *options.words),
    ]
    plain, struck = (options.runs.resolve() / name for name in ("plain", f"struck-{options.seed}"))
    if not (plain / "summary.json").exists():
        tell("the undisturbed run")
        subprocess.run(command(plain, words), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    killed = strike(struck, words, options)
    found = compare(plain, struck) | {"kills": sum(killed.values()), "by_kind": dict(killed), "seed": options.seed}
    found |= {"words": words, "processor": processor()}
    report(
        found,
        options,
        f"{found['kills']} kills ({found['by_kind']}): {found['steps_lost']} steps lost, {found['steps_repeated']} "
        f"repeated, {found['different_steps']} with other responses, weights "
        f"{'the same' if found['same_weights'] else 'others'} (by {found['largest_difference']:.1g} at most)",
    )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=60, help="of either run; they must outlast the kills")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--words", nargs="*", default=[], help="key=value, for both runs")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "killed", help="where they are kept")
    add_report(parser)
    return parser.parse_args()


def command(run: Path, words: list[str]) -> list[str]:
    return [sys.executable, "-m", "groupthink.cli", "train", "--run", str(run), *words]


def strike(run: Path, words: list[str], options: argparse.Namespace) -> Counter[str]:
    """Train, and kill; how often each kind was hit. Raises SystemExit where the run does not survive."""
    draw, killed = random.Random(options.seed), Counter[str]()
    run.parent.mkdir(parents=True, exist_ok=True)
    with (run.parent / f"{run.name}.log").open("w") as log:
        driver = subprocess.Popen(command(run, words), stdout=log, stderr=log)
        while driver.poll() is None:
            if sum(killed.values()) >= options.kills or not (run / "metrics.jsonl").exists():
                time.sleep(1.0)
                continue
            time.sleep(draw.uniform(*PAUSE))
            kind = list(KINDS)[sum(killed.values()) % len(KINDS)]
            if there := sorted(actors(driver.pid, KINDS[kind])):
                victim = draw.choice(there)
                os.kill(victim, signal.SIGKILL)
                killed[kind] += 1
                done = len(read_metrics(run / "metrics.jsonl"))
                tell(f"kill {sum(killed.values())}: {kind} {victim}, after {done} steps")
    if driver.returncode:
        raise SystemExit(f"the run ended with {driver.returncode} after {dict(killed)}: see {log.name}")
    if sum(killed.values()) < options.kills:
        raise SystemExit(f"it was over after {dict(killed)}: ask for more --steps")
    return killed


def actors(driver: int, title: str) -> Iterator[int]:
    """The processes of that title that belong to the cluster of `driver`."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cmdline").read_bytes().startswith(title.encode()) and driver in ancestors(int(place.name)):
                yield int(place.name)
        except OSError:  # it has ended meanwhile
            continue


def ancestors(process: int) -> Iterator[int]:
    while process > 1:
        process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        yield process


def compare(plain: Path, struck: Path) -> dict[str, Any]:
    steps = [[line["step"] for line in read_metrics(run / "metrics.jsonl")] for run in (plain, struck)]
    expected, found = (load_file(next((run / "model").glob("*.safetensors"))) for run in (plain, struck))
    events = [json.loads(line) for line in (struck / "events.jsonl").read_text().splitlines()]
    return {
        "steps": len(steps[0]),
        "steps_lost": len(set(steps[0]) - set(steps[1])),
        "steps_repeated": len(steps[1]) - len(set(steps[1])),
        "different_steps": sum(drawn(plain, step) != drawn(struck, step) for step in steps[0]),
        "same_weights": all((expected[name] == found[name]).all() for name in expected),
        "largest_difference": max(float(abs(expected[name] - found[name]).max()) for name in expected),
        "restarts": sum(event["event"] == "restarted" for event in events),
    }


def drawn(run: Path, step: int) -> list[Any]:
    return parquet.read_table(run / "rollouts" / f"step-{step:06d}.parquet")["token_ids"].to_pylist()


if __name__ == "__main__":
    main()
