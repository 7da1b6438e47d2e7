"""Which settings of a recipe cannot be, alone or together, and what to set instead."""

import math
from typing import TYPE_CHECKING

from groupthink.nearest import nearest
from groupthink.recipe.stages import BY_REWARDS, BY_SAMPLES, STAGES
from groupthink.task import require_name

if TYPE_CHECKING:
    from groupthink.recipe.recipe import Recipe

TRACKERS = ("tensorboard", "wandb", "trackio")

AT_ODDS_WITH_PENALTIES = {
    "gdpo": "gives each part of a reward the same spread",
    "pass_at_k": "counts a response as right by its reward",
    "maxrl": "divides by the mean of the rewards",
}
"""Estimators that cannot have KL or length taken off a reward, and why."""


def require_possible(recipe: "Recipe") -> None:
    """Raise ValueError, with what to change, for settings that say nothing sensible, alone or together."""
    if recipe.stage not in STAGES:
        raise ValueError(f"stage is {recipe.stage!r}: choose one of {', '.join(STAGES)}")
    if recipe.steps < 0:
        raise ValueError(f"steps is {recipe.steps}: it cannot be negative")
    if recipe.checkpoint_every < 1:
        raise ValueError(f"checkpoint_every is {recipe.checkpoint_every}: at least 1 step lies between checkpoints")
    if not 0 <= recipe.stop_patience < math.inf:
        raise ValueError(
            f"stop_patience is {recipe.stop_patience}: give seconds, fewer than pass between the signal and a kill"
        )
    for name in recipe.trackers:
        if name not in TRACKERS:
            raise ValueError(f"no tracker is called {name!r}: did you mean {nearest(name, TRACKERS)}?")
    tasks = (*recipe.task.names, *recipe.sft.tasks)
    for name in tasks:
        require_name(name)
    recipe.task.require_owners(tasks)
    _require_even_updates(recipe)
    _require_a_stage_that_can_lag(recipe)
    rollout, vllm = recipe.rollout, recipe.vllm
    recipe.scale.require_learners(
        lora=bool(recipe.lora.rank), optimizer=recipe.policy.optimizer, processes=recipe.policy.processes
    )
    recipe.scale.require_engines(
        processes=rollout.processes,
        own_process=vllm.own_process,
        engine=rollout.engine,
        tensor_parallel=vllm.tensor_parallel,
        lag=rollout.lag,
    )
    _require_what_can_learn(recipe)
    _require_what_can_be_compared(recipe)
    if recipe.stage == "distill":
        _require_what_a_teacher_can_say(recipe)
    if recipe.reward.judge:
        recipe.judge.require_server()
    _require_what_tells_answers_apart(recipe)
    if recipe.stage == "sample" and recipe.task.unlabelled:
        raise ValueError(
            'task.unlabelled withholds the answers, and stage="sample" keeps the chains whose answers are right: '
            "leave it out"
        )


def _require_even_updates(recipe: "Recipe") -> None:
    examples, minibatches = recipe.sft.examples_per_step, recipe.policy.minibatches
    if recipe.stage == "sft" and examples % minibatches:
        raise ValueError(
            f"policy.minibatches={minibatches} does not divide the {examples} demonstrations of a step: "
            "choose a divisor of sft.examples_per_step"
        )
    responses = recipe.task.problems_per_step * recipe.rollout.group_size
    if recipe.stage in BY_SAMPLES and responses % recipe.policy.minibatches:
        raise ValueError(
            f"policy.minibatches={recipe.policy.minibatches} does not divide the {responses} responses of a step: "
            "choose a divisor of task.problems_per_step * rollout.group_size"
        )
    if recipe.objective.focus == "kl_cov" and recipe.policy.minibatches * recipe.policy.epochs == 1:
        raise ValueError(
            'objective.focus="kl_cov" holds tokens to where they were before the first update, and there is one '
            "update to a batch: raise policy.minibatches or policy.epochs, or take clip_cov"
        )


def _require_a_stage_that_can_lag(recipe: "Recipe") -> None:
    if recipe.rollout.lag and recipe.stage != "grpo_async":
        raise ValueError(
            f'rollout.lag is {recipe.rollout.lag}, and stage="{recipe.stage}" samples from the weights that learn: set '
            'stage="grpo_async", or rollout.lag=0'
        )
    vllm = recipe.rollout.engine == "vllm"
    if (recipe.rollout.lag or vllm) and recipe.rollout.processes > 1:
        raise ValueError(
            f"rollout.processes is {recipe.rollout.processes}: with {'vLLM' if vllm else 'rollout.lag'} one process "
            "generates; leave it at 0"
        )
    if vllm and recipe.rollout.lag and not recipe.vllm.own_process:
        raise ValueError(
            "vllm.own_process=false draws while its responses are waited for, so nothing can run ahead: leave it "
            "at true, or set rollout.lag=0"
        )
    if vllm and recipe.rollout.lag and recipe.rollout.lag_by == "order":
        raise ValueError(
            'rollout.lag_by="order" draws exactly from the weights of so many steps ago, and vLLM takes new ones '
            'at once: set rollout.lag_by="time", or rollout.engine="torch"'
        )
    if recipe.stage == "grpo_async" and recipe.task.rounds > 1:
        raise ValueError(
            f"task.rounds is {recipe.task.rounds}: whether a step needs a further round is not known when it is "
            'asked for ahead; set task.rounds=1, or stage="grpo"'
        )


def _require_what_can_learn(recipe: "Recipe") -> None:
    """Adapters, precision, and a reference that follows."""
    if recipe.lora.rank and recipe.objective.reference_every:
        raise ValueError(
            "objective.reference_every moves the reference, and with lora.rank the reference is the model without "
            "its adapter, which stays: set one of the two to 0"
        )
    if recipe.objective.reference_mixing < 1 and recipe.policy.dtype != "float32":
        raise ValueError(
            f"objective.reference_mixing={recipe.objective.reference_mixing} moves a reference in "
            f'{recipe.policy.dtype} by less than it can hold: set policy.dtype="float32", or reference_mixing=1'
        )
    if recipe.learns_alone and recipe.policy.processes > 1:
        raise ValueError(
            f"policy.processes is {recipe.policy.processes}: an adapter (lora.rank) and a model in another precision "
            "than float32 learn in one process; leave it at 0, and set policy.threads"
        )
    if recipe.lora.rank and recipe.stage == "sft" and recipe.sft.from_scratch:
        raise ValueError("sft.from_scratch begins with new weights, all of which must learn: set lora.rank=0")


def _require_what_can_be_compared(recipe: "Recipe") -> None:
    if recipe.advantage.estimator == "pass_at_k" and recipe.advantage.k >= recipe.rollout.group_size:
        raise ValueError(
            f"advantage.k is {recipe.advantage.k} and rollout.group_size {recipe.rollout.group_size}: any k of a group "
            "must be able to miss a right response; take k below the group size"
        )
    if penalties := _penalties(recipe):
        why = AT_ODDS_WITH_PENALTIES.get(recipe.advantage.estimator)
        if why:
            raise ValueError(
                f'advantage.estimator="{recipe.advantage.estimator}" {why}, and {" and ".join(penalties)} '
                "would change it: leave that out, or take another estimator"
            )
    if recipe.stage in BY_REWARDS and recipe.rollout.group_size < 2:
        raise ValueError(
            f"rollout.group_size is {recipe.rollout.group_size}: a group of one has no average to differ from; "
            "take at least 2"
        )


def _require_what_a_teacher_can_say(recipe: "Recipe") -> None:
    if not recipe.distill.teacher:
        raise ValueError(
            'stage="distill" needs a teacher: name a model with the same tokenizer in distill.teacher, such as '
            "distill.teacher=runs/nano"
        )
    if recipe.task.rounds > 1:
        raise ValueError(
            f"task.rounds is {recipe.task.rounds}: further rounds look for groups whose rewards differ, and "
            'stage="distill" learns from every group; set task.rounds=1'
        )


def _require_what_tells_answers_apart(recipe: "Recipe") -> None:
    reward = recipe.reward
    telling = (reward.majority, reward.code, reward.judge, reward.environment, *reward.functions.values())
    if recipe.task.unlabelled and recipe.stage in BY_REWARDS and not any(telling):
        raise ValueError(
            "task.unlabelled withholds the answers, so that reward.accuracy and reward.brevity do not count, and "
            "no other reward tells one answer from another: set reward.majority (the group's own vote), such as "
            "reward.majority=0.8, or weigh a reward of your own"
        )


def _penalties(recipe: "Recipe") -> list[str]:
    """The settings by which something is taken off the rewards."""
    in_reward = recipe.objective.kl > 0 and recipe.objective.kl_place == "reward"
    overlong = recipe.objective.overlong_share > 0
    return ['objective.kl_place="reward"'] * in_reward + ["objective.overlong_share"] * overlong
