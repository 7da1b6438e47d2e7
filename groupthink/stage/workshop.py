"""The parts that a stage composes, opened for a recipe and closed together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from groupthink.model.loading import find_device, load_model, load_tokenizer
from groupthink.policy.learner import Learner
from groupthink.reward.judge import Judge
from groupthink.rollout.engine import Engine
from groupthink.rollout.open import open_engine
from groupthink.run.directory import Run
from groupthink.task import Task, open_task


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a GRPO stage works with."""

    task: Task
    tokenizer: Any  # a Hugging Face tokenizer
    engine: Engine
    judge: Judge
    learner: Learner


@contextmanager
def open_workshop(run: Run) -> Iterator[Workshop]:
    """Open a run's parts; the learner stands where the run's newest complete checkpoint left it.

    Checkpoint 0 holds the model as it was before any update: it is the reference policy, too.
    """
    recipe, device = run.recipe, find_device()
    tokenizer, model = load_tokenizer(recipe.model), load_model(recipe.model, device=device)
    task = open_task(recipe.task.name, recipe.seed, recipe.task.split)
    engine = open_engine(model, tokenizer, recipe.rollout, device)
    try:
        reference = load_model(recipe.model, device=device) if recipe.policy.kl else None
        learner = Learner(
            model,
            reference,
            recipe.policy,
            total_steps=recipe.steps,
            temperature=recipe.rollout.temperature,
            device=device,
        )
        stand_at_checkpoint(run, learner)
        yield Workshop(task, tokenizer, engine, Judge(recipe.reward, task), learner)
    finally:
        engine.close()


def stand_at_checkpoint(run: Run, learner: Learner) -> None:
    """Restore the newest complete checkpoint, or write the first one where there is none."""
    newest = run.latest_checkpoint()
    if newest is None:
        run.checkpoint(0, learner.save)
    else:
        learner.restore(newest)
