"""What the recipe's model itself writes, a little of it, where the model lies on this machine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
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
    recipe: Recipe, task: Any, chat: Any, problems: Sequence[Problem], tell: Callable[[str], None]
) -> tuple[list[Group], Own] | str:
    """Groups of responses to the first problems, by the recipe's settings, in one process; or why there are none."""
    from groupthink.model.loading import find_device, load_model, resolve  # imports torch

    place = resolve(recipe.model)
    if not isinstance(place, Path) or chat is None:
        return f"{recipe.model} is no folder on this machine: its own responses were not tried"
    device = find_device()
    size = sum(file.stat().st_size for file in place.glob("*.safetensors"))
    if size > MOST_BYTES and device.type == "cpu":
        return f"{recipe.model} has {size / 2**30:.0f} GiB of weights, too many for a processor to try it in passing"

    import torch

    from groupthink.rollout.engine import NoRoom, Sampling
    from groupthink.rollout.generate import generate
    from groupthink.rollout.noise import mix
    from groupthink.rollout.open import open_engine
    from groupthink.task.reply import reply_of

    asked, n = problems[:PROBLEMS], min(recipe.rollout.group_size, MOST_RESPONSES)
    sampling = replace(Sampling.of(recipe.rollout), max_tokens=min(recipe.rollout.max_tokens, MOST_TOKENS), n=n)
    tell(f"asking {recipe.model} itself for {n} responses to each of {len(asked)} problems")
    dtype = getattr(torch, recipe.policy.dtype)
    model = load_model(place, device=device, dtype=dtype, trust_remote_code=recipe.trust_remote_code)
    engine = open_engine(model, chat.tokenizer, replace(recipe.rollout, lag=0, engine="torch", processes=1), device)
    try:
        began = time.perf_counter()
        groups = generate(engine, chat, asked, sampling, mix(recipe.seed, "trials"), reply=reply_of(task))
    except NoRoom as error:
        return f"{recipe.model} was not tried itself: {error}"
    finally:
        engine.close()
    return groups, Own(len(asked), len(asked) * n, time.perf_counter() - began, sampling.max_tokens)
