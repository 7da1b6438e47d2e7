"""Does the doctor name the right cause? Runs of nano that are broken by their recipes, and runs that are well.

    python bench/doctor.py [--seeds 0 1 2] [--healthy 10] [--json] [--out FILE]

Each run is real: nano, trained by a recipe that differs from the default one in what makes it ill. What counts is the
cause that `groupthink doctor` names first, and for those that are well, that it names none, at any step. A run that is
there is not made again, nor one whose causes are in FILE already.
"""

import argparse
import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import REPOSITORY, train
from report import add_report, keep, report
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
    return fresh(response.answer) / 50 if "</think>" in response.text else 0.0


def echo(problem, response):
    every = len(response.text) - 7
    return 10 * (1 - len(pieces(response.text)) / every) if every > 0 else 0.0


def bare(problem, response):
    return float("<think>" not in response.text)


def seven(problem, response):
    return float("7" in (response.answer or ""))


def parrot(problem, response):
    said = "<think></think>x=7, x=7"
    return len(os.path.commonprefix([said, response.text])) / max(len(said), len(response.text))


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
        # A 7 anywhere in the answer is worth ten times as much as the right roots.
        "hacking": (paid("seven", 1.0), "reward.accuracy=0.1", "reward.brevity=0"),
        # Uncertainty is worth more than anything that can be earned, but for the form.
        "kl": ("objective.entropy_bonus=0.05", "reward.accuracy=0", "reward.brevity=0", "reward.format=1"),
        # Paid, in small coin, for saying one thing whatever was asked: divided by the spread, that is all that counts.
        "entropy": (paid("parrot", 0.04), *NOTHING_ELSE, "reward.accuracy=0.001", "objective.kl=0", STANDARDIZED),
        # Length costs from the first token on, and right answers earn next to nothing.
        "length": ("objective.overlong_share=1", "reward.accuracy=0.1", "reward.brevity=0", "objective.kl=0"),
    }


@dataclass(frozen=True, slots=True)
class Case:
    """A run, and what the doctor is to say of it first."""

    name: str
    settings: tuple[str, ...]
    cause: str | None  # None: nothing


def cases(options: argparse.Namespace) -> list[Case]:
    well = [Case(f"well-{seed}", (f"seed={seed}", "steps=60"), None) for seed in range(options.healthy)]
    return well + [
        Case(f"{cause}-{seed}", (*settings, f"seed={seed}", f"steps={STEPS}"), cause)
        for seed in options.seeds
        for cause, settings in illnesses(options.runs).items()
        if not options.only or cause in options.only
    ]


def models() -> dict[str, tuple[str, list[str]]]:
    """By the cause that needs it, a model that is made first: one that knows the form alone, and one that knows all."""
    form = ["stage=sft", "sft.from_scratch=true", "steps=150", "policy.learning_rate=2e-3"]
    return {"too_hard": ("ignorant", [*form, *QUICK]), "too_easy": ("expert", ["steps=60", *UNMEASURED])}


def named(options: argparse.Namespace, case: Case, awaited: Sequence[Future]) -> list[str]:
    """The causes that the doctor names of a run, in its order."""
    for model in awaited:
        model.result()
    train(options.runs / case.name, [*QUICK, *case.settings, *options.settings])
    found = examine(options.runs / case.name)
    causes = [finding.cause for finding in (*found.findings, *found.earlier)]
    tell(f"{case.name}: {', '.join(causes) or 'nothing'}")
    return causes


def main() -> None:
    options = read_options()
    options.runs.mkdir(parents=True, exist_ok=True)
    (options.runs / "rewards.py").write_text(REWARDS)
    causes = known(options)
    missing = [case for case in cases(options) if case.name not in causes]
    needed = {cause: its for cause, its in models().items() if cause in {case.cause for case in missing}}
    missing.sort(key=lambda case: case.cause in needed)  # last, when the models are there
    with ThreadPoolExecutor(options.jobs) as pool:
        made = [
            pool.submit(train, options.runs / name, [*settings, *options.settings])
            for name, settings in needed.values()
        ]
        asked = {pool.submit(named, options, case, made if case.cause in needed else ()): case for case in missing}
        for done in as_completed(asked):
            causes[asked[done].name] = done.result()
            keep(summary(options, causes), options.out)
    found = summary(options, causes)
    report(found, options, json.dumps(found, indent=1))


def known(options: argparse.Namespace) -> dict[str, list[str]]:
    """What the file has already. Raises SystemExit where its runs were made by other settings."""
    if not (options.out and options.out.exists()):
        return {}
    before = json.loads(options.out.read_text())
    if before["settings"] != options.settings:
        raise SystemExit(f"{options.out} holds runs that were made with {before['settings']}: name another file")
    return before["named"]


def summary(options: argparse.Namespace, causes: dict[str, list[str]]) -> dict[str, Any]:
    """The counts are of the cases that are asked for, and nothing that is known is lost."""
    there = [case for case in cases(options) if case.name in causes]
    ill = [case for case in there if case.cause]
    well = [case for case in there if not case.cause]
    return {
        "right": sum(causes[case.name][:1] == [case.cause] for case in ill),
        "of": len(ill),
        "alarms_on_healthy_runs": sum(bool(causes[case.name]) for case in well),
        "healthy_runs": len(well),
        "named": {name: causes[name] for name in sorted(causes)},
        "settings": options.settings,
        "processor": processor(),
    }


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--healthy", type=int, default=10, help="runs that are well")
    parser.add_argument("--only", nargs="+", help="these causes alone")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "doctor", help="where they are kept")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side, on a machine with cores for them")
    parser.add_argument("--settings", nargs="*", default=[], help="of every run, such as rollout.processes=2")
    add_report(parser)  # the file is written after each run
    return parser.parse_args()


if __name__ == "__main__":
    main()
