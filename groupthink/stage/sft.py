"""Supervised fine-tuning on demonstrations: the learner's path, with imitation in place of the surrogate."""

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np

from groupthink.model.demonstrations import Demonstration, encode_demonstrations
from groupthink.records import Batch
from groupthink.run.directory import Run
from groupthink.run.terminal import View
from groupthink.stage.chores import chores_of, evaluation, keeping_what_is_done
from groupthink.stage.clock import Clock
from groupthink.stage.evaluate import evaluate_run
from groupthink.stage.progress import best_figures, until_enough
from groupthink.stage.publish import publish
from groupthink.stage.settings import SftSettings
from groupthink.stage.workshop import Workshop, open_workshop
from groupthink.stopping import finished_first
from groupthink.task import Task, close_task, notes_of, open_demonstrated

METRICS = ("loss", "entropy", "grad_norm", "learning_rate", "num_tokens", "skipped_updates")
"""The learner's figures that mean something where nothing was sampled."""


def demonstrations(
    tasks: Sequence[Task], settings: SftSettings, seed: int, step: int, steps: int
) -> list[Demonstration]:
    """What is shown in one of `steps` steps: a function of (seed, step) alone."""
    first = step * settings.examples_per_step
    haste = 0.0 if step < settings.careful_share * steps else settings.hasty_share
    return [
        _demonstration(tasks, settings.shares, haste, random.Random(f"{seed}/sft/{index}"), index)
        for index in range(first, first + settings.examples_per_step)
    ]


def _demonstration(
    tasks: Sequence[Task], shares: Sequence[float], haste: float, draw: random.Random, index: int
) -> Demonstration:
    (task,) = draw.choices(tasks, shares)
    (problem,) = task.sample(index, 1)
    return problem.prompt, task.demonstrate(problem, careful=draw.random() >= haste)


def imitation_batch(prompts: Sequence[np.ndarray], responses: Sequence[np.ndarray]) -> Batch:
    """A batch in which every response token weighs the same: the loss is a mean over all tokens of the step."""
    lengths = [len(response) for response in responses]
    tokens = sum(lengths)
    return Batch(
        prompts=tuple(prompts),
        group_B=np.arange(len(responses)),
        starts=np.concatenate([[0], np.cumsum(lengths)]),
        token_ids_M=np.concatenate(responses),
        sampled_M=np.ones(tokens, bool),
        old_logprobs_M=np.zeros(tokens, np.float32),
        drawn_logprobs_M=np.zeros(tokens, np.float32),
        advantages_M=np.ones(tokens, np.float32),
        weights_M=np.full(tokens, 1 / tokens, np.float32),
    )


def train_by_sft(run: Run, view: View) -> dict[str, Any]:
    """Imitate demonstrations, evaluate on the recipe's task, and publish the model with what was found."""
    recipe = run.recipe
    with open_workshop(run) as shop:
        with keeping_what_is_done(run, shop):
            evaluation(run, shop, view)(run.remaining_steps().start)  # a stop may have left it out
            course = until_enough(run, view, partial(sft, run, shop, view))
        shop.engine.load(shop.learner.weights)
        evaluate_run(run, shop, view, "after", recipe.evaluate.base_samples, cool_samples=recipe.evaluate.samples)
        figures = {"after": run.read_evaluation("after").figures} | course | best_figures(run)
        publish(run, shop.learner, shop.chat, figures)
    return figures


def sft(run: Run, shop: Workshop, view: View) -> None:
    """Every remaining step of `run`."""
    recipe = run.recipe
    chores = chores_of(run, shop, view)
    with _open_tasks(run, notes_of(shop.task)) as tasks:
        for step in run.remaining_steps():
            clock = Clock()
            with clock("demonstrate"):
                shown = demonstrations(tasks, recipe.sft, recipe.seed, step, recipe.steps)
                batch = imitation_batch(*encode_demonstrations(shop.chat, shown))
            with finished_first():
                with clock("learn"):
                    report = shop.learner.update(batch)
                metrics = {name: report.metrics[name] for name in METRICS}
                line = run.record_metrics(step, metrics, clock.seconds)
            view.stepped(line)
            for chore in chores:
                chore(step + 1)


@contextmanager
def _open_tasks(run: Run, told: tuple[str, ...]) -> Iterator[list[Task]]:
    """Those whose demonstrations are imitated. What they say of themselves, if it is not what the evaluated task has
    `told`, becomes an event, as of other tasks.
    """
    recipe = run.recipe
    with ExitStack() as closing:
        tasks = []
        for name in recipe.sft.tasks:
            tasks.append(open_demonstrated(name, recipe.seed, recipe.task))
            closing.callback(close_task, tasks[-1])
            if (notes := notes_of(tasks[-1])) and notes != told:
                run.event("task", notes=list(notes), too_long=[])
        yield tasks
