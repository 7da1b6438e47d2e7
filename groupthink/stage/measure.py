"""The stage `evaluate`: a model is measured on the recipe's held-out problems, and nothing is trained."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import torch

from groupthink.model.chat import Chat
from groupthink.model.loading import context_of, find_device, load_model, load_tokenizer
from groupthink.rollout.engine import Engine
from groupthink.rollout.open import open_engine
from groupthink.run.directory import Run
from groupthink.run.terminal import View
from groupthink.scale.cluster import open_cluster
from groupthink.scale.engines import RayEngines
from groupthink.stage.evaluate import asked_in_words, evaluate
from groupthink.task import close_task, notes_of, open_tasks
from groupthink.task.context import leave_out_long


def measure(run: Run, view: View) -> dict[str, Any]:
    """Evaluate the model of `run.recipe` as a run evaluates what it has trained, unless that was done already."""
    if not run.has_evaluation("after"):
        _evaluate(run, view)
    figures = {"after": run.read_evaluation("after").figures}
    run.finish(figures)
    return figures


def _open_engine(run: Run, model: Any, tokenizer: Any, closing: ExitStack) -> Engine:
    recipe, rollout = run.recipe, replace(run.recipe.rollout, lag=0)
    cluster = closing.enter_context(open_cluster(recipe.scale))
    engine: Engine
    if cluster is not None and recipe.scale.engines:
        engine = RayEngines(model, tokenizer, rollout, recipe.vllm, cluster)
        engine.invite()
    else:
        engine = open_engine(model, tokenizer, rollout, model.device, recipe.vllm, run.path / "vllm")
    closing.callback(engine.close)
    return engine


def _evaluate(run: Run, view: View) -> None:
    recipe, device = run.recipe, find_device()
    tokenizer = load_tokenizer(recipe.model, trust_remote_code=recipe.trust_remote_code)
    chat = Chat(tokenizer, recipe.chat)
    with ExitStack() as closing:
        task = open_tasks(recipe.task, recipe.seed)
        closing.callback(close_task, task)
        dtype = getattr(torch, recipe.policy.dtype)
        model = load_model(recipe.model, device=device, dtype=dtype, trust_remote_code=recipe.trust_remote_code)
        too_long = leave_out_long(task, chat.encode, context_of(model.config), recipe.rollout.max_tokens)
        if (notes := notes_of(task)) or too_long:
            run.event("task", notes=list(notes), too_long=too_long)
        engine = _open_engine(run, model, tokenizer, closing)
        asked = asked_in_words(recipe.evaluate.problems, recipe.evaluate.samples)
        view.note(f"evaluating {recipe.model} on {asked}")
        found = evaluate(
            engine,
            chat,
            task,
            problems=recipe.evaluate.problems,
            samples=recipe.evaluate.samples,
            max_tokens=recipe.rollout.max_tokens,
            seed=recipe.seed,
            where=recipe.code.confinement,
        )
    run.write_evaluation("after", found.rows(), found.figures)
    view.evaluated("after", found.figures)
