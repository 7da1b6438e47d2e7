"""What makes the better small reasoner: a teacher's chains, a teacher's opinion, or rewards of its own?

    python bench/distillation.py [--seeds 0 1 2] [--json] [--out FILE]

A student of half nano's size is taught by SFT on chains of a trained nano, by on-policy distillation from it, and by
GRPO (`recipes/studies/half-*.toml`), each from the same base. They are compared at equal compute, in floating-point
operations, paired by seed and held-out problem; and the two distillations at equal tokens, too.

Operations, since a token does not cost the same: it is drawn by the student or by a teacher of twice the size, it is
read by a second model or not, and chains that were drawn and dropped cost as much as those that are kept. Making the
teacher and the base is in no budget, and evaluations are not.

It can be made in parts: a run that is there goes on where it stands, and one whose figures are in FILE already is not
made again.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from engines import REPOSITORY, right_of, train
from report import add_report, keep, report
from vs_trl import processor, tell

from groupthink.insight.plan.shape import ModelShape, read_shape
from groupthink.insight.plan.workload import Workload, even_operations
from groupthink.insight.statistics import interval
from groupthink.model.chat import Chat
from groupthink.model.loading import load_tokenizer
from groupthink.recipe import Recipe, load_recipe
from groupthink.run.metrics import read_metrics
from groupthink.task import open_task

STUDIES = REPOSITORY / "recipes" / "studies"
METHODS = {"sft": "half-sft", "on_policy": "half-distill", "rl": "half-rl"}
LEARNING = 3.0
"""Forward passes' worth of an update: a forward pass, and a backward pass that costs twice that."""

PARTS = 10
"""Of a run, over each of which the reverse KL is averaged to see whether it falls."""

Course = dict[str, Any]
"""What a run came to at each of its evaluations: steps, tokens and operations until then, and who was right."""


def main() -> None:
    options = read_options()
    runs = options.runs.resolve()
    courses = known(options)
    wanted = [(seed, method) for seed in options.seeds for method in METHODS]
    if missing := [(seed, method) for seed, method in wanted if seed not in courses[method]]:
        make(runs / "teacher", "nano", [])
        make(runs / "base", STUDIES / "half-base.toml", [])
        make(runs / "chains", STUDIES / "half-chains.toml", [f"model={runs / 'teacher'}"])
    for seed, method in missing:
        run = runs / f"{method}-{seed}"
        make(run, STUDIES / f"{METHODS[method]}.toml", words_of(method, seed, runs, options))
        courses[method][seed] = course_of(run, method, runs)
        tell(f"{run.name}: {closing_accuracy(courses[method][seed], options.samples):.1%}")
        keep(summary(options, courses), options.out)
    found = summary(options, courses)
    report(found, options, *in_words(found))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--problems", type=int, default=300, help="held-out ones")
    parser.add_argument("--samples", type=int, default=4, help="responses to each, at most 9")
    parser.add_argument("--words", nargs="*", default=[], help="key=value, for every run of a student: steps=40")
    parser.add_argument("--runs", type=Path, default=REPOSITORY / "runs" / "distillation", help="where they are kept")
    add_report(parser)  # the file is written after each run
    options = parser.parse_args()
    if not 1 <= options.samples <= 9:
        parser.error("--samples: a count of right responses is kept as one digit; take 1 to 9")
    return options


def make(run: Path, recipe: Path | str, words: Sequence[str]) -> None:
    """A run to its end, from wherever it stands."""
    if not (run / "summary.json").exists():
        tell(f"making {run.name}")
        train(run, [str(recipe), *words])


def words_of(method: str, seed: int, runs: Path, options: argparse.Namespace) -> list[str]:
    """What a recipe of the study is told."""
    asked = {"problems": options.problems, "samples": options.samples, "base_samples": options.samples}
    words = [f"model={runs / 'base'}", f"seed={seed}", *(f"evaluate.{name}={value}" for name, value in asked.items())]
    own = {
        "sft": [f'sft.tasks=["data:{(runs / "chains" / "data").as_posix()}"]'],
        "on_policy": [f"distill.teacher={runs / 'teacher'}"],
        "rl": [],
    }
    return [*words, *own[method], *options.words]


# -- what a run came to --


def course_of(run: Path, method: str, runs: Path) -> Course:
    recipe, lines = load_recipe(run / "recipe.toml"), read_metrics(run / "metrics.jsonl")
    tokens = np.array([line["num_tokens"] for line in lines])
    each = np.diff(tokens, prepend=0.0)
    student, teacher = read_shape(runs / "base"), read_shape(runs / "teacher")
    cost = cost_of(recipe, method, student, teacher, drawn_for_one(runs / "chains"))
    spent = np.cumsum([cost(count) for count in each])
    steps = [*range(recipe.evaluate.every, len(lines), recipe.evaluate.every), len(lines)]
    names = [*(f"step-{step:06d}" for step in steps[:-1]), "after"]
    return {
        "steps": steps,
        "tokens": [float(tokens[step - 1]) for step in steps],
        "operations": [float(spent[step - 1]) for step in steps],
        "right": ["".join(map(str, right_of(run, name))) for name in names],  # a digit a problem
        "reverse_kl": [line["distill/reverse_kl"] for line in lines if "distill/reverse_kl" in line],
    }


def cost_of(
    recipe: Recipe, method: str, student: ModelShape, teacher: ModelShape, drawn: float
) -> Callable[[float], float]:
    """The operations of a step by its response tokens. `drawn`: chains that a teacher drew for one that is shown."""
    problems, group = recipe.task.problems_per_step, recipe.rollout.group_size
    if method == "sft":
        problems, group = recipe.sft.examples_per_step, 1
    prompt = prompt_of(recipe)

    def cost(tokens: float) -> float:
        load = Workload(prompt, tokens / (problems * group))
        own, its = (even_operations(shape, load, problems, group) for shape in (student, teacher))
        if method == "sft":  # the teacher draws, the student learns
            return drawn * its + LEARNING * own
        if method == "on_policy":  # the student draws, the teacher reads, the student learns
            return own + its + LEARNING * own
        return own + (own if recipe.objective.kl else 0.0) + LEARNING * own  # and the reference reads

    return cost


def prompt_of(recipe: Recipe) -> float:
    """Tokens of a prompt, the mean of a few."""
    chat = Chat(load_tokenizer(recipe.model), recipe.chat)
    return float(np.mean([len(chat.encode(problem.prompt)) for problem in open_task("quadratics").sample(0, 100)]))


def drawn_for_one(chains: Path) -> float:
    """Chains that were drawn for one that was kept."""
    figures = json.loads((chains / "summary.json").read_text())
    return figures["sampled"] / figures["kept"]


# -- what is compared --


def closing_accuracy(course: Course, samples: int) -> float:
    return float(np.mean(digits(course["right"][-1]))) / samples


def digits(text: str) -> np.ndarray:
    return np.array(list(text), int)


def right_at(course: Course, budget: float, what: str, samples: int) -> np.ndarray:
    """For each problem the share of right responses when so much had been spent, between two evaluations by a line."""
    right = np.stack([digits(text) for text in course["right"]]) / samples
    return np.array([np.interp(budget, course[what], problem) for problem in right.T])


Courses = dict[str, dict[int, Course]]
"""By method and seed."""


def difference(courses: Courses, one: str, other: str, what: str, samples: int) -> dict[str, Any] | None:
    """One method's accuracy less another's, where both have spent what the thriftier of the two did in all.

    The interval is over held-out problems, each with the mean over seeds, for all seeds are asked of the same roots in
    the same order; what one training differs by from the next shows in `by_seed`. None where no seed has both.
    """
    seeds = [seed for seed in courses[one] if seed in courses[other]]
    if not seeds:
        return None
    found = []
    for seed in seeds:
        pair = courses[one][seed], courses[other][seed]
        budget = min(course[what][-1] for course in pair)
        first, second = (right_at(course, budget, what, samples) for course in pair)
        found.append(first - second)
    by_problem = np.mean(found, axis=0)
    low, high = interval(by_problem)
    return {
        "mean": round(float(by_problem.mean()), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "by_seed": {str(seed): round(float(each.mean()), 4) for seed, each in zip(seeds, found, strict=True)},
    }


def smoothed(values: Sequence[float]) -> list[float]:
    """The means over consecutive parts of a run."""
    return [round(float(part.mean()), 4) for part in np.array_split(np.array(values), PARTS) if len(part)]


def at_equal_compute(courses: Courses, samples: int) -> dict[str, dict[str, float]]:
    """Accuracy by method and seed where all methods have spent what the thriftiest of that seed did in all."""
    found: dict[str, dict[str, float]] = {method: {} for method in METHODS}
    for seed in set.intersection(*(set(courses[method]) for method in METHODS)):
        budget = min(courses[method][seed]["operations"][-1] for method in METHODS)
        for method in METHODS:
            right = right_at(courses[method][seed], budget, "operations", samples)
            found[method][str(seed)] = round(float(right.mean()), 4)
    return found


def summary(options: argparse.Namespace, courses: Courses) -> dict[str, Any]:
    divergences = {str(seed): smoothed(course["reverse_kl"]) for seed, course in courses["on_policy"].items()}
    falls = [after < before for parts in divergences.values() for before, after in pairwise(parts)]
    compute = {"what": "operations", "samples": options.samples}
    return {
        "on_policy_minus_sft": difference(courses, "on_policy", "sft", "tokens", options.samples),  # at equal tokens
        "equal_compute": {
            "on_policy_minus_sft": difference(courses, "on_policy", "sft", **compute),
            "sft_minus_rl": difference(courses, "sft", "rl", **compute),
            "on_policy_minus_rl": difference(courses, "on_policy", "rl", **compute),
            "accuracy": at_equal_compute(courses, options.samples),
        },
        "reverse_kl_falls": bool(falls) and all(falls),
        "reverse_kl": divergences,  # nats a token
        "at_the_end": {
            method: {
                str(seed): {
                    "accuracy": round(closing_accuracy(course, options.samples), 4),
                    **{what: course[what][-1] for what in ("steps", "tokens", "operations")},
                }
                for seed, course in by_seed.items()
            }
            for method, by_seed in courses.items()
        },
        **alike(options),
        "processor": processor(),
        "courses": {method: {str(seed): each for seed, each in by_seed.items()} for method, by_seed in courses.items()},
    }


def alike(options: argparse.Namespace) -> dict[str, Any]:
    """What runs that are compared must have in common."""
    return {"problems": options.problems, "samples": options.samples, "words": options.words}


def known(options: argparse.Namespace) -> Courses:
    """What stands in the file already. Raises SystemExit where that was asked otherwise."""
    courses: Courses = {method: {} for method in METHODS}
    if options.out and options.out.exists():
        before = json.loads(options.out.read_text())
        if any(before[name] != value for name, value in alike(options).items()):
            raise SystemExit(f"{options.out} holds runs that were made or asked otherwise: name another file")
        for method, by_seed in before["courses"].items():
            courses[method] = {int(seed): course for seed, course in by_seed.items()}
    return courses


def in_words(found: Mapping[str, Any]) -> list[str]:
    def told(name: str, figures: Mapping[str, Any] | None) -> str:
        if figures is None:
            return f"{name}: no seed has both"
        by_seed = ", ".join(f"{each:+.1%}" for each in figures["by_seed"].values())
        return f"{name}: {figures['mean']:+.1%} [{figures['low']:+.1%}, {figures['high']:+.1%}]; by seed {by_seed}"

    compute = found["equal_compute"]
    lines = [told("on-policy distillation less SFT, at equal tokens", found["on_policy_minus_sft"])]
    lines += [
        told(f"{name.replace('_', ' ')}, at equal compute", compute[name]) for name in compute if name != "accuracy"
    ]
    return [
        *lines,
        f"the reverse KL {'falls' if found['reverse_kl_falls'] else 'does not fall'} in every part of a run",
    ]


if __name__ == "__main__":
    main()
