"""The parts that a stage composes, opened for a recipe and closed together."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from groupthink.model.allocator import keep_freed_memory
from groupthink.model.chat import Chat
from groupthink.model.loading import context_of, find_device, load_tokenizer, read_context
from groupthink.model.threads import find_processes, is_small, physical_cores
from groupthink.policy.learning import Learning
from groupthink.recipe import Recipe
from groupthink.reward.judge import Judge
from groupthink.rollout.engine import Engine
from groupthink.rollout.fastest import fastest
from groupthink.rollout.open import open_engine
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.worker_engine import WorkerEngine
from groupthink.run.directory import Run
from groupthink.scale.cluster import Cluster, open_cluster
from groupthink.scale.engines import RayEngines
from groupthink.scale.rewards import RayJudge
from groupthink.stage.learner import first_policy, load_policy, open_learner, reference_of
from groupthink.stage.supply import Supply
from groupthink.task import Task, close_task, notes_of, open_tasks
from groupthink.task.context import leave_out_long
from groupthink.task.reply import reply_of


@dataclass(frozen=True, slots=True)
class Workshop:
    """What a stage works with."""

    task: Task
    supply: Supply
    chat: Chat  # the tokenizer, and in which words it puts a problem to the policy
    engine: Engine
    judge: Judge | RayJudge
    learner: Learning

    def save(self, folder: Path) -> None:
        """Write what a checkpoint holds: a model that anyone can load, and what the learner resumes from."""
        self.learner.save(folder)
        self.supply.save(folder)
        self.chat.tokenizer.save_pretrained(folder)

    def make_room(self) -> None:
        """What has been drawn is learned from now: a GPU that engine and learner share is the learner's."""
        if isinstance(self.engine, TorchEngine) and self.engine.device.type == "cuda":
            self.engine.release()


@contextmanager
def open_workshop(run: Run) -> Iterator[Workshop]:
    """Open a run's parts; the learner stands where the run's newest complete checkpoint left it.

    Checkpoint 0 holds the model as it was before any update: it is the reference policy, too.
    """
    keep_freed_memory()
    recipe, device = run.recipe, find_device()
    task = open_tasks(recipe.task, recipe.seed)
    try:
        with open_cluster(recipe.scale) as cluster, _open_parts(run, task, device, cluster) as shop:
            yield shop
    finally:
        close_task(task)


@contextmanager
def _open_parts(run: Run, task: Task, device: torch.device, cluster: Cluster | None) -> Iterator[Workshop]:
    recipe = run.recipe
    _require_turns_in_time(task, recipe)
    model = first_policy(run, device)
    chat = open_chat(run, task, model)
    # Engine and learner share the weights. With an adapter they cannot: the engine draws from what it is merged into;
    # nor where the learners are elsewhere, and leave the outline of a model here.
    apart = recipe.lora.rank or (recipe.scale.learners and not recipe.scale.engines)
    drawn = load_policy(run, device, model.dtype) if apart else model
    with settled_engine(run, task, chat, drawn, cluster) as engine, open_judge(recipe, task, chat, cluster) as judge:
        learner = open_learner(run, model, chat, device, cluster)
        invite_more(engine)
        try:
            shop = Workshop(task, Supply(task, recipe), chat, engine, judge, learner)
            stand_at_checkpoint(run, shop)
            yield shop
        finally:
            learner.close()


def open_chat(run: Run, task: Task, model: PreTrainedModel) -> Chat:
    """How problems are put to `model`; those that are too long for it are left out of `task`, as an event says."""
    recipe = run.recipe
    tokenizer = load_tokenizer(reference_of(run), trust_remote_code=recipe.trust_remote_code)
    chat = Chat(tokenizer, recipe.chat)
    too_long = leave_out_long(task, chat.encode, _context(recipe, model), recipe.rollout.max_tokens)
    if (notes := notes_of(task)) or too_long:
        run.event("task", notes=list(notes), too_long=too_long)
    return chat


@contextmanager
def open_judge(recipe: Recipe, task: Task, chat: Chat, cluster: Cluster | None) -> Iterator[Judge | RayJudge]:
    """Who scores: here, or where the recipe asks for it several on the cluster."""
    if cluster is None or not recipe.scale.rewards:
        yield Judge(recipe.reward, task, opening=chat.opening, code=recipe.code, judge=recipe.judge)
        return
    judge = RayJudge(recipe, chat.opening, cluster)
    try:
        yield judge
    finally:
        judge.close()


def invite_more(engine: Engine) -> None:
    """Of engines of a cluster, those that a run may begin without; once all others have their places."""
    if isinstance(engine, RayEngines):
        engine.invite()


@contextmanager
def settled_engine(
    run: Run, task: Task, chat: Chat, model: PreTrainedModel, cluster: Cluster | None
) -> Iterator[Engine]:
    """What draws from `model`: engines of the cluster, where the recipe asks for some; else the local one.

    That has as many processes as the run has settled: at its first start, by measuring.
    """
    recipe, most = run.recipe, find_processes(model)
    if cluster is not None and recipe.scale.engines:
        engines = RayEngines(model, chat.tokenizer, recipe.rollout, recipe.vllm, cluster)
        try:
            _settle(run, model, most)
            yield engines
        finally:
            engines.close()
        return
    rollout = (
        recipe.rollout if recipe.rollout.lag else replace(recipe.rollout, processes=recipe.rollout.processes or most)
    )
    engine = open_engine(model, chat.tokenizer, rollout, model.device, recipe.vllm, run.path / "vllm")
    try:
        worth = most
        if isinstance(engine, WorkerEngine) and not recipe.rollout.processes:
            problems = task.sample(0, recipe.task.problems_per_step)
            worth = fastest(engine, chat, problems, recipe.rollout, recipe.seed)
            engine = engine.keep(worth)
        _settle(run, model, worth)
        yield engine
    finally:
        engine.close()


def _require_turns_in_time(task: Task, recipe: Recipe) -> None:
    """Raise ValueError where turns that follow a task's replies would break the promise of a lag."""
    if reply_of(task) and recipe.rollout.lag and recipe.rollout.lag_by == "order":
        raise ValueError(
            f"task {task.name} replies to what the policy writes, and what follows a reply is asked for when its step "
            f"is learned from: it could not be drawn from the weights of {recipe.rollout.lag} steps before, and would "
            'wait for all that was asked for meanwhile; set rollout.lag_by="time", or rollout.lag=0'
        )


def _context(recipe: Recipe, model: PreTrainedModel) -> int | None:
    """The tokens that all can take who are to read a response; None: any number."""
    contexts = [context_of(model.config)]
    if recipe.stage == "distill":
        contexts.append(read_context(recipe.distill.teacher, trust_remote_code=recipe.trust_remote_code))
    return min(filter(None, contexts), default=None)


def _settle(run: Run, model: PreTrainedModel, worth: int) -> None:
    """Write what this machine offers into the run: a resume takes the same, and so arrives at the same bits.

    `worth`: how many processes are worth having, to draw with and so to learn with.
    """
    recipe = run.recipe
    # With a lag one process generates while the others learn; else all do the one, and then the other.
    drawing, learning = (1, max(1, worth - 1)) if recipe.rollout.lag else (worth, worth)
    if recipe.rollout.engine == "vllm" or recipe.scale.engines:
        drawing = 1
    on_cpu = model.device.type == "cpu"  # what was settled there holds nowhere else
    alone = recipe.learns_alone or recipe.scale.learners or not on_cpu
    processes = 1 if alone else recipe.policy.processes or learning
    threads = recipe.policy.threads or (1 if is_small(model) else max(1, physical_cores() // processes))
    run.settle(
        replace(
            recipe,
            rollout=replace(recipe.rollout, processes=recipe.rollout.processes or drawing),
            policy=replace(recipe.policy, processes=processes, threads=threads),
        )
    )


def stand_at_checkpoint(run: Run, shop: Workshop) -> None:
    """Restore the newest complete checkpoint, or write the first one where there is none."""
    newest = run.latest_checkpoint()
    if newest is None:
        run.checkpoint(0, shop.save)
    else:
        shop.learner.restore(newest)
        shop.supply.restore(newest)
