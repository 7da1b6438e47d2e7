"""Does the doctor name the right cause? Runs of nano that are broken by their recipes, and runs that are well.

    python bench/doctor.py [--seeds 0 1 2] [--healthy 10] [--json] [--out FILE]

Each run is real: nano, trained by a recipe that differs from the default one in what makes it ill. What counts is the
cause that `groupthink doctor` names first, and for those that are well, that it names none, at any step. A run that is
there is not made again.
"""

import argparse
import json
from collections.abc import Collection
from pathlib import Path

from engines import REPOSITORY, train
from report import add_report, report
from vs_trl import processor, tell

from groupthink.insight.doctor import examine

STEPS = 32
STANDARDIZED = "advantage.estimator=standardize"
NOTHING_ELSE = ("reward.accuracy=0", "reward.format=0", "reward.brevity=0")
UNMEASURED = ("evaluate.problems=20", "evaluate.samples=1", "evaluate.base_samples=1", "checkpoint_every=1000")
QUICK = (*UNMEASURED, "policy.schedule=constant")
REWARDS = '''\
"""Rewards that a policy can earn without being right."""

import os


def thinking(problem, response):
    return fresh(response.reasoning) / 100


def rambling(problem, response):
    return fresh(response.answer) / 50


def echo(problem, response):
    every = len(response.text) - 7
    return 10 * (1 - len(pieces(response.text)) / every) if every > 0 else 0.0


def bare(problem, response):
    return float("<think>" not in response.text)


def seven(problem, response):
    return float((response.answer or "").startswith("x=7"))


def parrot(problem, response):
    said = "<think></think>x=7, x=7"
    return len(os.path.commonprefix([said, response.text])) / len(said)


def fresh(text):
    return 2 * len(pieces(text)) - max(len(text or "") - 7, 0)


def pieces(text):
    return {text[place : place + 8] for place in range(len(text or "") - 7)}
'''


def illnesses(runs: Path) -> dict[str, tuple[str, ...]]:
    """The settings that bring each cause about."""

    def paid(function: str, weight: float) -> str:
        return f'reward."{(runs / "rewards.py").as_posix()}:{function}"={weight}'

    return {
        # Drawn by weights of sixteen updates before.
        "mismatch": ("stage=grpo_async", "rollout.lag=16", "policy.learning_rate=2e-3", "rollout.max_difference=0"),
        "learning_rate": ("policy.learning_rate=0.02",),
        # Paid for saying the same again, for an answer of many new words, for much new thought, and for no form at all.
        "repetition": (paid("echo", 1.0), *NOTHING_ELSE),
        "no_stop": (paid("rambling", 1.0), *NOTHING_ELSE),
        "truncated": (paid("thinking", 1.0), *NOTHING_ELSE, "rollout.max_tokens=100"),
        "format": (paid("bare", 1.0),),
        "too_hard": (f"model={runs / 'ignorant'}",),
        "too_easy": (f"model={runs / 'expert'}", "rollout.temperature=0.5"),
        "no_variety": ("rollout.top_k=1",),
        # A root of 7 is worth ten times as much as the right ones.
        "hacking": (paid("seven", 1.0), "reward.accuracy=0.1", "reward.brevity=0"),
        # Uncertainty is worth more than anything that can be earned, but for the form.
        "kl": ("objective.entropy_bonus=0.05", "reward.accuracy=0", "reward.brevity=0", "reward.format=1"),
        # Paid, in small coin, for saying one thing whatever was asked: divided by the spread, that is all that counts.
        "entropy": (paid("parrot", 0.04), *NOTHING_ELSE, "reward.accuracy=0.001", "objective.kl=0", STANDARDIZED),
        # Length costs from the first token on, and right answers earn next to nothing.
        "length": ("objective.overlong_share=1", "reward.accuracy=0.1", "reward.brevity=0", "objective.kl=0"),
    }


def make_models(runs: Path, wanted: Collection[str]) -> None:
    """One that has learned the form and no arithmetic, and one that has learned all; where they are wanted."""
    if "too_hard" in wanted:
        form = ("stage=sft", "sft.from_scratch=true", "steps=150", "policy.learning_rate=2e-3")
        train(runs / "ignorant", [*form, *QUICK])
    if "too_easy" in wanted:
        train(runs / "expert", ["steps=60", *UNMEASURED])


def named(options: argparse.Namespace, name: str, settings: list[str]) -> list[str]:
    """The causes that the doctor names of a run, in its order."""
    train(options.runs / name, [*QUICK, *settings])
    found = examine(options.runs / name)
    causes = [finding.cause for finding in (*found.findings, *found.earlier)]
    tell(f"{name}: {', '.join(causes) or 'nothing'}")
    return causes


def main() -> None:
    options = read_options()
    options.runs.mkdir(parents=True, exist_ok=True)
    (options.runs / "rewards.py").write_text(REWARDS)
    make_models(options.runs, options.only or illnesses(options.runs))
    ill = {
        f"{cause}-{seed}": (cause, named(options, f"{cause}-{seed}", [*settings, f"seed={seed}", f"steps={STEPS}"]))
        for seed in options.seeds
        for cause, settings in illnesses(options.runs).items()
        if not options.only or cause in options.only
    }
    well = {
        f"well-{seed}": named(options, f"well-{seed}", [f"seed={seed}", "steps=60"]) for seed in range(options.healthy)
    }
    found = {
        "right": sum(bool(causes) and causes[0] == cause for cause, causes in ill.values()),
        "of": len(ill),
        "alarms_on_healthy_runs": sum(map(bool, well.values())),
        "healthy_runs": len(well),
        "named": {name: causes for name, (_, causes) in ill.items()} | well,
        "processor": processor(),
    }
    report(found, options, json.dumps(found, indent=1))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--healthy", type=int, default=10, help="runs that are well")
    parser.add_argument("--only", nargs="+", help="these causes alone")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "doctor", help="where they are kept")
    add_report(parser)
    return parser.parse_args()


if __name__ == "__main__":
    main()
