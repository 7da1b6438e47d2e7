"""Evaluation: the loop's first two steps on held-out problems, and what they say of the model."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groupthink.insight.statistics import interval, majority_right, pass_at_k
from groupthink.model.chat import Chat
from groupthink.model.loading import context_of, find_device, load_model, load_tokenizer, read_config, stored_dtype
from groupthink.model.place import resolve
from groupthink.model.settings import MODEL, PLAIN, ChatSettings
from groupthink.recipe import Recipe, load_recipe
from groupthink.records import Group
from groupthink.reward.sandbox import BUBBLEWRAP, Confinement
from groupthink.rollout.engine import Engine, Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.rollout.open import open_engine
from groupthink.run.directory import Run
from groupthink.run.rollouts import prompt_text
from groupthink.run.stages import model_run
from groupthink.run.terminal import View
from groupthink.stage.grade import Graded, grade
from groupthink.stage.settings import EvaluateSettings
from groupthink.stage.workshop import Workshop
from groupthink.task import Task, close_task, notes_of, open_tasks
from groupthink.task.context import leave_out_long
from groupthink.task.reply import reply_of
from groupthink.task.settings import TaskSettings

DEFAULTS = EvaluateSettings()


def summarise(sampled: Sequence[Sequence[Graded]], greedy: Sequence[Sequence[Graded]]) -> dict[str, Any]:
    """The figures of an evaluation, as `groupthink eval --json` prints them.

    Shares are of the problems of which somebody knows what is right, and None where that is true of none. `unjudged`:
    how many problems are left out for each reason.
    """
    judged = [row for row in sampled if row[0].right is not None]
    right_PC = np.array([[one.right for one in row] for row in judged], dtype=float)
    low, high = interval(right_PC.mean(axis=1)) if judged else (None, None)
    every = [one for row in sampled for one in row]
    votes = [
        majority_right([one.extracted for one in row], [bool(one.right) for one in row])
        for row in judged
        if not row[0].by_tests
    ]
    return {
        "pass@1": _mean(one.right for one in every),
        "pass@1_low": low,
        "pass@1_high": high,
        "pass@k": pass_at_k(right_PC, right_PC.shape[1]) if judged else None,
        "maj@k": _mean(votes),
        "greedy": _mean(one.right for row in greedy for one in row),
        "lenient": _mean(one.lenient for one in every),
        "format": _mean(one.formed for one in every),
        "environment": _mean(one.environment for one in every),
        "problems": len(sampled),
        "unjudged": dict(Counter(row[0].why for row in sampled if row[0].right is None)),
        "samples": len(sampled[0]),
        "length": float(np.mean([one.response.written for one in every])),
        "truncated": float(np.mean([one.response.finish == "length" for one in every])),
        "traits": trait_figures(every),
    }


def _mean(known: Iterable[float | None]) -> float | None:
    """The mean (of verdicts, the share) of those that are known; None where none is."""
    values = [value for value in known if value is not None]
    return float(np.mean(values)) if values else None


def trait_figures(graded: Sequence[Graded]) -> dict[str, dict[str, float | None]]:
    """For each trait of a chain (a method, checking, going back): how often it occurs, how often it is right."""
    seen = Counter(trait for one in graded for trait in one.traits)
    return {
        trait: {
            "share": count / len(graded),
            "accuracy": _mean(one.right for one in graded if trait in one.traits),
        }
        for trait, count in seen.most_common()
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
        "formed": one.formed,
        "environment": one.environment,
        "by_tests": one.by_tests,
        "length": one.response.written,
        "finish": one.response.finish,
        "traits": sorted(one.traits),
    }


def evaluate(
    engine: Engine,
    chat: Chat,
    task: Task,
    *,
    problems: int,
    samples: int,
    max_tokens: int,
    temperature: float = 1.0,
    seed: int = 0,
    cool_samples: int = 0,
    where: Confinement | None = None,
) -> Evaluation:
    """Sample and decode greedily on held-out problems; `cool_samples` more of each at temperature 0.5.

    `where`: in what programs are run that tests decide on (None: as by default).
    """
    held_out = task.held_out(problems)

    def drawn(n: int, temperature: float) -> list[Group]:
        sampling = Sampling(max_tokens=max_tokens, temperature=temperature, n=n)
        seeded = mix(seed, "evaluate", temperature)
        return generate(engine, chat, held_out, sampling, seeded, reply=reply_of(task))

    tables = [drawn(samples, temperature), drawn(1, 0.0), drawn(cool_samples, 0.5) if cool_samples else []]
    found = iter(grade(task, [group for table in tables for group in table], opening=chat.opening, where=where))
    sampled, greedy, cool = ([next(found) for _ in table] for table in tables)
    return Evaluation(summarise(sampled, greedy), sampled, greedy, cool)


def evaluate_run(run: Run, shop: Workshop, view: View, name: str, samples: int, cool_samples: int = 0) -> None:
    """Evaluate the policy of a run as it stands and keep the result under `name`, unless it is there already."""
    recipe = run.recipe
    if run.has_evaluation(name):
        return
    view.note(f"evaluating {_whom(name)} on {asked_in_words(recipe.evaluate.problems, samples, cool_samples)}")
    found = evaluate(
        shop.engine,
        shop.chat,
        shop.task,
        problems=recipe.evaluate.problems,
        samples=samples,
        max_tokens=recipe.rollout.max_tokens,
        seed=recipe.seed,
        cool_samples=cool_samples,
        where=recipe.code.confinement,
    )
    shop.make_room()
    run.write_evaluation(name, found.rows(), found.figures)
    view.evaluated(name, found.figures)


def asked_in_words(problems: int, samples: int, cool_samples: int = 0) -> str:
    """What an evaluation asks of a model: "200 held-out problems: 16 samples and 1 greedy response to each"."""
    cool = f", and {cool_samples} at temperature 0.5" if cool_samples else ""
    return f"{problems} held-out problems: {samples} samples and 1 greedy response to each{cool}"


def _whom(name: str) -> str:
    """The policy that an evaluation of this name measures."""
    known = {"before": "the model before training", "after": "the trained model"}
    return known.get(name) or f"the model after {int(name.removeprefix('step-'))} steps"


def evaluate_model(
    name: str,
    *,
    task: str | None = None,
    split: str | None = None,
    problems: int = DEFAULTS.problems,
    samples: int = DEFAULTS.samples,
    temperature: float = 1.0,
    max_tokens: int | None = None,
    template: str | None = None,
    trust_remote_code: bool = False,
    note: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """The figures of any model on held-out problems; `note` is told what is about to be done.

    `name`: "nano", a run, a checkpoint, a local folder or a hub id. A model that came from a run is asked as it
    was trained, in the words of its run's [chat], with its `max_tokens` and on its task and split (unless the caller
    names another; `template`: "auto", "model" or "plain"); any other is asked quadratics with the default recipe's.
    What a run's recipe says of trust in the model's code, and of running programs without a sandbox, does not count: a
    run may have come from anywhere.
    """
    if problems < 1 or samples < 1:
        raise ValueError(f"{problems} problems with {samples} samples each: take at least 1 of both")
    recipe, device = recipe_of(name), find_device()
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    chat = Chat(tokenizer, _asked_by(recipe.chat, template))
    asked = recipe.task if task is None else TaskSettings(task)
    splits = split or ", ".join(dict.fromkeys(asked.own_splits))
    with ExitStack() as closing:
        family = open_tasks(asked, recipe.seed, split)
        closing.callback(close_task, family)
        if note:
            drawn = f"{samples} sampled at temperature {temperature:g} and 1 greedy for each"
            for line in notes_of(family):
                note(line)
            note(f"evaluating {name} on {problems} problems of {family.name} ({splits}): {drawn}")
        dtype = precision_of(name, recipe, device, trust_remote_code=trust_remote_code)
        model = load_model(name, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
        max_tokens = max_tokens or recipe.rollout.max_tokens
        if (too_long := leave_out_long(family, chat.encode, context_of(model.config), max_tokens)) and note:
            note(f"{len(too_long)} problems are too long for the model and are left out, such as {too_long[0]}")
        engine = open_engine(model, tokenizer, replace(recipe.rollout, lag=0, engine="torch"), device)
        closing.callback(engine.close)
        return evaluate(
            engine,
            chat,
            family,
            problems=problems,
            samples=samples,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=recipe.seed,
            where=replace(recipe.code.confinement, sandbox=BUBBLEWRAP),
        ).figures


def precision_of(name: str, recipe: Recipe, device: torch.device, *, trust_remote_code: bool) -> torch.dtype:
    """What a run computed in, which other models are saved in, too; a processor computes those in float32."""
    if device.type == "cpu":
        return getattr(torch, recipe.policy.dtype)
    return stored_dtype(read_config(name, trust_remote_code=trust_remote_code))


def _asked_by(settings: ChatSettings, template: str | None) -> ChatSettings:
    """With another template, if one is named; the plain one cannot be told how to think."""
    if template is None:
        return settings
    return replace(settings, template=template, thinking=MODEL if template == PLAIN else settings.thinking)


def recipe_of(name: str) -> Recipe:
    """The recipe of the run that a model lies in (of a pipeline: of its last stage), or else the default recipe."""
    folder = resolve(name)
    if isinstance(folder, Path):
        for place in folder.resolve().parents[:2]:  # RUN/model, or RUN/checkpoints/step-000050
            if run := model_run(place):
                return load_recipe(run / "recipe.toml")
    return load_recipe()
