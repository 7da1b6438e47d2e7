"""What learns in a stage: the policy before any update, its reference, and who moves it."""

from pathlib import Path

import torch
from transformers import PreTrainedModel

from groupthink.model.chat import Chat
from groupthink.model.loading import load_model
from groupthink.model.lora import add_lora
from groupthink.model.origin import Origin
from groupthink.model.quantised import load_quantised
from groupthink.policy.learner import Learner
from groupthink.policy.learning import Learning
from groupthink.run.checkpoints import find_damage
from groupthink.run.directory import Run
from groupthink.scale.cluster import Cluster
from groupthink.stage.teacher import teacher_of


def first_policy(run: Run, device: torch.device) -> PreTrainedModel:
    """The policy before any update, as it is to learn; where learners elsewhere hold it, its outline."""
    recipe = run.recipe
    if recipe.scale.learners:
        return _origin(run).outline()
    if recipe.lora.quantised:
        dtype = getattr(torch, recipe.policy.dtype)
        trusted = recipe.trust_remote_code
        model = load_quantised(recipe.model, device=device, dtype=dtype, trust_remote_code=trusted)
    else:
        model = _origin(run).open(device)
    if recipe.lora.rank:
        add_lora(model, recipe.lora, recipe.seed)
    return model


def load_policy(run: Run, device: torch.device, dtype: torch.dtype) -> PreTrainedModel:
    """The policy before any update, once more."""
    return load_model(reference_of(run), device=device, dtype=dtype, trust_remote_code=run.recipe.trust_remote_code)


def open_learner(
    run: Run, model: PreTrainedModel, chat: Chat, device: torch.device, cluster: Cluster | None
) -> Learning:
    """Who moves `model`: this process, or, where the recipe asks for them, several on the cluster."""
    recipe = run.recipe
    reference = _reference(run, chat)
    temperature = 1.0 if recipe.stage == "sft" else recipe.rollout.temperature  # what was not sampled: as it is
    if cluster is not None and recipe.scale.learners:
        from groupthink.scale.learners import Learners  # torch's FSDP comes with them, which takes a second
        from groupthink.scale.rank import Curriculum

        curriculum = Curriculum(
            _origin(run),
            reference,
            recipe.policy,
            recipe.objective_of_stage,
            threads=max(1, int(recipe.scale.learner_cpus)),
            patience=recipe.scale.patience,
            transport=recipe.scale.transport,
            total_steps=recipe.steps,
            temperature=temperature,
        )
        return Learners(cluster, curriculum, model, run.latest_checkpoint)
    opened = reference.open(device) if reference is not None else None
    return Learner(
        model,
        opened,
        recipe.policy,
        recipe.objective_of_stage,
        total_steps=recipe.steps,
        temperature=temperature,
        device=device,
    )


def _origin(run: Run) -> Origin:
    recipe = run.recipe
    drawn = recipe.stage == "sft" and recipe.sft.from_scratch
    return Origin(
        reference_of(run),
        recipe.policy.dtype,
        recipe.trust_remote_code,
        drawn_by=recipe.seed if drawn else None,
        layers=recipe.layers if drawn else 0,
        recompute_layers=recipe.policy.recompute_layers,
    )


def _reference(run: Run, chat: Chat) -> Origin | None:
    """What the objective holds the policy to: a teacher, or the policy before any update."""
    recipe = run.recipe
    if recipe.stage == "distill":
        return teacher_of(run, chat)
    if not recipe.objective_of_stage.kl or recipe.lora.rank:
        return None
    return Origin(reference_of(run), recipe.policy.dtype, recipe.trust_remote_code)


def reference_of(run: Run) -> str | Path:
    """The policy before any update: checkpoint 0, so that a resume holds to the same one whatever became of `model`.

    Raises ValueError where it is damaged.
    """
    first = run.path / "checkpoints" / "step-000000"
    if not first.is_dir():
        return run.recipe.model
    if damage := find_damage(first):
        raise ValueError(
            f"{first}, with which the run began and to which KL holds it, is damaged ({damage}): bring it back from a "
            f"copy, or begin another run from the newest checkpoint (model={run.latest_checkpoint()})"
        )
    return first
