"""What the recipe's model itself writes, a little of it, where the model lies on this machine."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from groupthink.insight.trials.seen import Own
from groupthink.recipe import Recipe
from groupthink.records import Group, Problem

PROBLEMS = 2
MOST_RESPONSES = 8  # to each
MOST_TOKENS = 512
MOST_BYTES = 4 << 30
"""Of a model's weights: a larger one takes minutes to say anything on a processor."""


def most_responses(recipe: Recipe) -> int:
    """How many it is asked for, at most."""
    return PROBLEMS * min(recipe.rollout.group_size, MOST_RESPONSES)


def drawn(
    recipe: Recipe, task: Any, chat: Any, problems: Sequence[Problem], tell: Callable[[str], None], *, fits: bool
) -> tuple[list[Group], Own] | str:
    """Groups of responses to the first problems, by the recipe's settings, in one process; or why there are none.

    `fits`: whether a run has room on this machine.
    """
    from groupthink.model.loading import find_device, weights_here  # imports torch

    if not fits:
        return f"{recipe.model} was not asked itself: a run does not fit into the memory of this machine"
    weights = weights_here(recipe.model)
    if not weights or chat is None:
        return f"the weights of {recipe.model} are not on this machine: its own responses were not tried"
    device = find_device()
    size = sum(file.stat().st_size for file in weights)
    if size > MOST_BYTES and device.type == "cpu":
        return f"{recipe.model} has {size / 2**30:.0f} GiB of weights, too many for a processor to try it in passing"

    from groupthink.rollout.engine import Sampling
    from groupthink.rollout.generate import generate
    from groupthink.rollout.noise import mix
    from groupthink.task.reply import reply_of

    asked, n = problems[:PROBLEMS], min(recipe.rollout.group_size, MOST_RESPONSES)
    sampling = replace(Sampling.of(recipe.rollout), max_tokens=min(recipe.rollout.max_tokens, MOST_TOKENS), n=n)
    tell(f"asking {recipe.model} itself for {n} responses to each of {len(asked)} problems")
    try:
        with closing(_open_engine(recipe, chat, device)) as engine:
            began = time.perf_counter()
            groups = generate(engine, chat, asked, sampling, mix(recipe.seed, "trials"), reply=reply_of(task))
            return groups, Own(len(asked), len(asked) * n, time.perf_counter() - began, sampling.max_tokens)
    except (ValueError, RuntimeError, OSError) as error:  # no room for a prompt, or memory that others have taken since
        return f"{recipe.model} was not tried itself: {error}"


def _open_engine(recipe: Recipe, chat: Any, device: Any) -> Any:
    """What a run draws from before any update."""
    from groupthink.insight.plan.rehearsal.parts import bare, policy
    from groupthink.model.lora import add_lora, merged_tensors
    from groupthink.records import Weights
    from groupthink.rollout.open import open_engine

    rollout = replace(recipe.rollout, lag=0, engine="torch", processes=1)
    engine = open_engine(bare(recipe, 0, device), chat.tokenizer, rollout, device)
    if recipe.lora.quantised:  # it draws from what the 4 bits stand for
        learns = policy(recipe, 0, device)
        add_lora(learns, recipe.lora, recipe.seed)
        engine.load(Weights(0, merged_tensors(learns)))
    return engine
