"""Evaluation: the loop's first two steps on held-out problems, and what they say of the model."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.chain import read_chain
from groupthink.model.chat import opens_thinking
from groupthink.model.loading import find_device, load_model, load_tokenizer, resolve
from groupthink.recipe import Recipe, load_recipe
from groupthink.records import Group, Problem, Response
from groupthink.reward.accuracy import accuracy, verify
from groupthink.reward.format import adherence
from groupthink.rollout.engine import Engine, Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.rollout.open import open_engine
from groupthink.run.directory import Run
from groupthink.run.rollouts import prompt_text
from groupthink.run.terminal import View
from groupthink.stage.fitting import leave_out_long
from groupthink.stage.settings import EvaluateSettings
from groupthink.stage.statistics import interval, majority_right, pass_at_k
from groupthink.stage.workshop import Workshop
from groupthink.task import Task, close_task, notes_of, open_tasks
from groupthink.task.reply import reply_of
from groupthink.task.scoring import Assessment, assess
from groupthink.task.settings import TaskSettings

DEFAULTS = EvaluateSettings()


@dataclass(frozen=True, slots=True)
class Graded:
    """One response of an evaluation. `right` is strict: the rewards for accuracy and for format are both earned."""

    problem: Problem
    response: Response
    right: bool
    lenient: bool  # right, or right roots come last in the text, in whatever form
    extracted: str | None
    traits: frozenset[str]


def grade_groups(task: Task, groups: Sequence[Group], *, opened: bool = False) -> list[list[Graded]]:
    """What each response of each group is worth."""
    graded = []
    for group, whole in zip(groups, assess(task, groups), strict=True):
        told: Sequence[Assessment | None] = whole or [None] * len(group.responses)
        pairs = zip(group.responses, told, strict=True)
        graded.append([grade(task, group.problem, response, opened=opened, told=each) for response, each in pairs])
    return graded


def grade(
    task: Task, problem: Problem, response: Response, *, opened: bool = False, told: Assessment | None = None
) -> Graded:
    """What a response is worth. `opened`: the prompt ended with `<think>`, so it begins inside the reasoning.

    `told` is what a task has said that scores whole responses.
    """
    chain = read_chain(response.text, opened=opened)
    verdict = verify(task, problem, chain.answer) if told is None else told.verdict
    right = accuracy(verdict) == adherence(chain, response.finish) == 1
    return Graded(
        problem=problem,
        response=response,
        right=right,
        lenient=right or (task.verify(problem, response.text, lenient=True) if told is None else verdict).right is True,
        extracted=verdict.extracted,
        traits=task.traits(chain.reasoning),
    )


def summarise(sampled: Sequence[Sequence[Graded]], greedy: Sequence[Sequence[Graded]]) -> dict[str, Any]:
    """The figures of an evaluation, as `groupthink eval --json` prints them."""
    right_PC = np.array([[one.right for one in row] for row in sampled], dtype=float)
    low, high = interval(right_PC.mean(axis=1))
    every = [one for row in sampled for one in row]
    votes = [majority_right([one.extracted for one in row], [one.right for one in row]) for row in sampled]
    return {
        "pass@1": float(right_PC.mean()),
        "pass@1_low": low,
        "pass@1_high": high,
        "pass@k": pass_at_k(right_PC, right_PC.shape[1]),
        "maj@k": float(np.mean(votes)),
        "greedy": float(np.mean([one.right for row in greedy for one in row])),
        "lenient": float(np.mean([one.lenient for one in every])),
        "problems": right_PC.shape[0],
        "samples": right_PC.shape[1],
        "length": float(np.mean([one.response.written for one in every])),
        "truncated": float(np.mean([one.response.finish == "length" for one in every])),
        "traits": trait_figures(every),
    }


def trait_figures(graded: Sequence[Graded]) -> dict[str, dict[str, float]]:
    """For each trait of a chain (a method, checking, going back): how often it occurs, how often it is right."""
    seen = Counter(trait for one in graded for trait in one.traits)
    right = Counter(trait for one in graded for trait in one.traits if one.right)
    return {
        trait: {"share": count / len(graded), "accuracy": right[trait] / count} for trait, count in seen.most_common()
    }


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found, and every response behind it. Lists run over problems, then samples."""

    figures: dict[str, Any]
    sampled: list[list[Graded]]
    greedy: list[list[Graded]]
    cool: list[list[Graded]]  # at temperature 0.5; empty where that was not asked for

    def rows(self) -> list[dict[str, Any]]:
        """One row a response, for a table."""
        kinds = {"sampled": self.sampled, "greedy": self.greedy, "cool": self.cool}
        return [_row(kind, one) for kind, table in kinds.items() for row in table for one in row]


def _row(kind: str, one: Graded) -> dict[str, Any]:
    return {
        "kind": kind,
        "problem": one.problem.id,
        "prompt": prompt_text(one.problem),
        "expected": one.problem.answer,
        "text": one.response.text,
        "extracted": one.extracted,
        "right": one.right,
        "lenient": one.lenient,
        "length": one.response.written,
        "finish": one.response.finish,
        "traits": sorted(one.traits),
    }


def evaluate(
    engine: Engine,
    tokenizer: Any,
    task: Task,
    *,
    problems: int,
    samples: int,
    max_tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
    cool_samples: int = 0,
) -> Evaluation:
    """Sample and decode greedily on held-out problems; `cool_samples` more of each at temperature 0.5."""
    held_out, opened = task.held_out(problems), opens_thinking(tokenizer)

    def graded(n: int, temperature: float) -> list[list[Graded]]:
        sampling = Sampling(max_tokens=max_tokens, temperature=temperature, n=n)
        seeded = mix(seed, "evaluate", temperature)
        groups = generate(engine, tokenizer, held_out, sampling, seeded, reply=reply_of(task))
        return grade_groups(task, groups, opened=opened)

    sampled, greedy = graded(samples, temperature), graded(1, 0.0)
    cool = graded(cool_samples, 0.5) if cool_samples else []
    return Evaluation(summarise(sampled, greedy), sampled, greedy, cool)


def evaluate_run(run: Run, shop: Workshop, view: View, name: str, samples: int, cool_samples: int = 0) -> None:
    """Evaluate the policy of a run as it stands and keep the result under `name`, unless it is there already."""
    recipe = run.recipe
    if run.has_evaluation(name):
        return
    view.note(f"evaluating on {recipe.evaluate.problems} held-out problems ({name})")
    found = evaluate(
        shop.engine,
        shop.tokenizer,
        shop.task,
        problems=recipe.evaluate.problems,
        samples=samples,
        max_tokens=recipe.rollout.max_tokens,
        seed=recipe.seed,
        cool_samples=cool_samples,
    )
    run.write_evaluation(name, found.rows(), found.figures)
    view.evaluated(name, found.figures)


def evaluate_model(
    name: str,
    *,
    task: str | None = None,
    split: str | None = None,
    problems: int = DEFAULTS.problems,
    samples: int = DEFAULTS.samples,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    note: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The figures of any model on held-out problems; `note` is told what is about to be done.

    `name`: "nano", a run, a checkpoint, a local folder or a hub id. A model that came from a run is asked as it
    was trained, with its run's `max_tokens` and on its run's task and split (unless the caller names another);
    any other is asked quadratics with the default recipe's.
    """
    if problems < 1 or samples < 1:
        raise ValueError(f"{problems} problems with {samples} samples each: take at least 1 of both")
    recipe, device = recipe_of(name), find_device()
    asked = recipe.task if task is None else TaskSettings(task)
    split = split or asked.split
    family = open_tasks(asked, recipe.seed, split)
    if note:
        drawn = f"{samples} sampled at temperature {temperature:g} and 1 greedy for each"
        for line in notes_of(family):
            note(line)
        note(f"evaluating {name} on {problems} problems of {family.name} ({split}): {drawn}")
    tokenizer, model = load_tokenizer(name), load_model(name, device=device)
    max_tokens = max_tokens or recipe.rollout.max_tokens
    if (too_long := leave_out_long(family, tokenizer, model, max_tokens)) and note:
        note(f"{len(too_long)} problems are too long for the model and are left out, such as {too_long[0]}")
    engine = open_engine(model, tokenizer, replace(recipe.rollout, lag=0, engine="torch"), device)
    try:
        found = evaluate(
            engine,
            tokenizer,
            family,
            problems=problems,
            samples=samples,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=recipe.seed,
        )
    finally:
        engine.close()
        close_task(family)
    return found.figures


def recipe_of(name: str) -> Recipe:
    """The recipe of the run that a model lies in, or else the default recipe."""
    folder = resolve(name)
    if isinstance(folder, Path):
        for place in folder.resolve().parents[:2]:  # RUN/model, or RUN/checkpoints/step-000050
            if (place / "recipe.toml").is_file():
                return load_recipe(place / "recipe.toml")
    return load_recipe()
