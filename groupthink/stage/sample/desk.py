"""The parts that draw and judge, without a learner: no reference model, no optimizer."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from groupthink.model.allocator import keep_freed_memory
from groupthink.model.chat import Chat
from groupthink.model.loading import find_device, weights_here
from groupthink.model.lora import merged_tensors
from groupthink.model.place import NANO, resolve
from groupthink.recipe import Recipe
from groupthink.records import Weights
from groupthink.reward.judge import Judge
from groupthink.rollout.engine import Engine
from groupthink.run.directory import Run
from groupthink.run.stages import run_name
from groupthink.run.versions import version_of
from groupthink.scale.cluster import open_cluster
from groupthink.scale.rewards import RayJudge
from groupthink.stage.learner import load_policy
from groupthink.stage.sample.askable import require_enough, require_sampled
from groupthink.stage.supply import Supply
from groupthink.stage.workshop import invite_more, open_chat, open_judge, settled_engine
from groupthink.task import Task, close_task, open_tasks

STATE = "policy.json"
"""In a checkpoint: which policy has drawn so far."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What `sample` works with."""

    task: Task
    supply: Supply
    chat: Chat
    engine: Engine
    judge: Judge | RayJudge
    policy: str  # which weights draw: see `policy_name`

    def save(self, folder: Path) -> None:
        """Write what a checkpoint holds: the responses themselves are in the run's rollouts."""
        (folder / STATE).write_text(json.dumps({"policy": self.policy}) + "\n")


@contextmanager
def open_desk(run: Run) -> Iterator[Desk]:
    """Open the parts; the engine draws from the recipe's model.

    Raises ValueError for a task of several turns or of too few problems, and where the model is not the one that drew
    what the run has already.
    """
    keep_freed_memory()
    recipe, device = run.recipe, find_device()
    task = open_tasks(recipe.task, recipe.seed)
    try:
        require_sampled(recipe, task)
        model = load_policy(run, device, getattr(torch, recipe.policy.dtype))
        policy = policy_name(recipe.model)
        require_same_policy(run, policy)
        chat = open_chat(run, task, model)
        require_enough(task, recipe.sample.problems)  # of those that fit the model
        with (
            open_cluster(recipe.scale) as cluster,
            settled_engine(run, task, chat, model, cluster) as engine,
            open_judge(recipe, task, chat, cluster) as judge,
        ):
            invite_more(engine)
            engine.load(Weights(0, merged_tensors(model)))
            yield Desk(task, Supply(task, _each_once(recipe)), chat, engine, judge, policy)
    finally:
        close_task(task)


def policy_name(name: str) -> str:
    """Where a model's weights come from, and the digits that tell them from others, as `groupthink report` has them.

    "nano@f189a5bb40ba", "zero/model@...", "zero/checkpoints/step-000040@...", "Qwen/Qwen3-0.6B@..."
    """
    return f"{_place_name(name)}@{version_of(weights_here(name))}"


def _place_name(name: str) -> str:
    place = resolve(name)
    if isinstance(place, str) or place == NANO:
        return name
    for run in place.resolve().parents[:2]:  # RUN/model, or RUN/checkpoints/step-000050
        if (run / "recipe.toml").is_file():
            return f"{run_name(run)}/{place.resolve().relative_to(run).as_posix()}"
    return place.resolve().name


def require_same_policy(run: Run, policy: str) -> None:
    """Raise ValueError where other weights drew what the run has already."""
    newest = run.latest_checkpoint()
    before = policy if newest is None else json.loads((newest / STATE).read_text())["policy"]
    if before != policy:
        raise ValueError(
            f"the model {run.recipe.model} has changed since this run began ({before}, now {policy}): bring it back, "
            "or begin another run"
        )


def _each_once(recipe: Recipe) -> Recipe:
    """The recipe with its training problems as they come: no pool of them, and one round a step."""
    return replace(recipe, task=replace(recipe.task, pool=0, rounds=1))
