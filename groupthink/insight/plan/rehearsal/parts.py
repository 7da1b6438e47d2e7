"""The parts of a run, opened to be measured: as they are, or with fewer layers and any weights."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

from groupthink.insight.plan.shape import ModelShape, read_shape, shape_of
from groupthink.insight.plan.staff import Staff, staff_of
from groupthink.model.allocator import keep_freed_memory
from groupthink.model.attention import register_attention
from groupthink.model.chat import Chat
from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.model.loading import find_device, load_model, load_tokenizer, read_config, stored_dtype
from groupthink.model.lora import add_lora
from groupthink.model.threads import find_processes
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.policy.learner import Learner
from groupthink.recipe import Recipe
from groupthink.rollout.engine import Engine
from groupthink.rollout.fastest import fastest
from groupthink.rollout.open import open_engine
from groupthink.rollout.worker_engine import WorkerEngine
from groupthink.task import Task, close_task, open_tasks
from groupthink.task.context import leave_out_long

FASTEST_TOKENS = 16
"""Of each response while it is found how many processes draw fastest: a quarter of what a run draws for that."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run would open."""

    task: Task
    chat: Chat
    engine: Engine
    learner: Learner
    shape: ModelShape
    staff: Staff
    worth: int  # processes that draw fastest


@contextmanager
def open_parts(recipe: Recipe, depth: int, notes: list[str]) -> Iterator[Parts]:
    """The parts of a run, as `stage/workshop.py` opens them, but that nothing is written."""
    keep_freed_memory()
    device = find_device()
    with ExitStack() as closing:
        task = open_tasks(recipe.task, recipe.seed)
        closing.callback(close_task, task)
        model = policy(recipe, depth, device)
        chat = chat_of(recipe, notes)
        shape = shape_of(model) if depth else read_shape(recipe.model, recipe.trust_remote_code, recipe.layers)
        if too_long := leave_out_long(task, chat.encode, shape.context, recipe.rollout.max_tokens):
            notes.append(f"{len(too_long)} problems are too long for the model and are left out, such as {too_long[0]}")
        drawn = bare(recipe, depth, device) if recipe.lora.rank else model
        if recipe.lora.rank:
            add_lora(model, recipe.lora, recipe.seed)
        if recipe.policy.recompute_layers:
            checkpoint_layers(model)
        if recipe.rollout.engine == "vllm":
            notes.append("vLLM was not started: how long drawing takes was measured with the embedded engine")
        if recipe.task.rounds > 1:
            notes.append(
                f"one round of a step was measured; task.rounds={recipe.task.rounds} may draw so many times that"
            )
        if recipe.scale.engines and device.type == "cpu":
            torch.set_num_threads(max(1, int(recipe.scale.engine_cpus)))  # as Ray has an engine's process begin
        # What a run would settle goes by the whole model.
        real = shape if not depth else read_shape(recipe.model, recipe.trust_remote_code, recipe.layers)
        rollout = replace(recipe.rollout, engine="torch", lag=0, processes=staff_of(recipe, real, device.type).drawing)
        engine = open_engine(drawn, chat.tokenizer, rollout, device)
        closing.callback(lambda: engine.close())
        worth = find_processes(drawn)
        if isinstance(engine, WorkerEngine) and not recipe.rollout.processes:
            problems = task.sample(0, recipe.task.problems_per_step)
            worth = fastest(engine, chat, problems, recipe.rollout, recipe.seed, FASTEST_TOKENS)
            engine = engine.keep(worth)
        staff = staff_of(recipe, real, device.type, worth)
        learner = Learner(
            model,
            reference(recipe, depth, device),
            # One update is measured, whatever the recipe makes of a batch.
            replace(recipe.policy, processes=staff.learning, threads=staff.threads, minibatches=1, epochs=1),
            recipe.objective_of_stage,
            total_steps=max(recipe.steps, 1),
            temperature=recipe.rollout.temperature,
            device=device,
        )
        closing.callback(learner.close)
        yield Parts(task, chat, engine, learner, shape, staff, worth)


def policy(recipe: Recipe, depth: int, device: torch.device) -> PreTrainedModel:
    if recipe.lora.quantised and not depth:
        from groupthink.model.quantised import load_quantised

        return load_quantised(
            recipe.model,
            device=device,
            dtype=getattr(torch, recipe.policy.dtype),
            trust_remote_code=recipe.trust_remote_code,
        )
    return bare(recipe, depth, device)


def bare(recipe: Recipe, depth: int, device: torch.device) -> PreTrainedModel:
    """The model without an adapter: with its weights, or with so many layers and any weights."""
    dtype = getattr(torch, recipe.policy.dtype)
    return built(recipe.model, depth or recipe.layers, dtype, device, recipe.trust_remote_code)


def reference(recipe: Recipe, depth: int, device: torch.device) -> PreTrainedModel | None:
    """What KL is measured to: a teacher has at a depth as many layers more, or fewer, as it has in all."""
    if recipe.stage == "distill":
        name, trusted = recipe.distill.teacher, recipe.trust_remote_code
        config, student = read_config(name, trust_remote_code=trusted), read_shape(recipe.model, trusted, recipe.layers)
        share = config.get_text_config().num_hidden_layers / student.layers
        layers = max(1, round(depth * share)) if depth else 0
        return built(name, layers, stored_dtype(config), device, trusted)
    return bare(recipe, depth, device) if recipe.objective_of_stage.kl and not recipe.lora.rank else None


def built(name: str, layers: int, dtype: torch.dtype, device: torch.device, trusted: bool) -> PreTrainedModel:
    """A model with its weights; or, where `layers` are named, with so many layers and any weights."""
    if not layers:
        return load_model(name, device=device, dtype=dtype, trust_remote_code=trusted)
    register_attention()
    config = read_config(name, layers=layers, trust_remote_code=trusted)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype, attn_implementation="groupthink", trust_remote_code=trusted
        )
    return model.eval()


def chat_of(recipe: Recipe, notes: list[str]) -> Chat:
    try:
        tokenizer = load_tokenizer(recipe.model, trust_remote_code=recipe.trust_remote_code)
    except (OSError, ValueError):
        notes.append("the model's tokenizer is not here: prompts are taken to be as long as in characters")
        return Chat(build_tokenizer())
    return Chat(tokenizer, recipe.chat)
