"""The smallest changes of a recipe with which it fits: what changes nothing about the result comes first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib.util import find_spec
from itertools import combinations
from typing import Any

from groupthink.recipe import Recipe

Change = Mapping[str, Any]
"""Settings by their full names, such as {"policy.micro_batch_tokens": 4096}."""

MOST = 4
"""Changes that are made together, at most."""

LEAST_TOKENS = 256
"""Of a micro-batch: with fewer, products are too small to be worth the memory."""

RANK = 16


def smallest(recipe: Recipe, fits: Callable[[Recipe], bool]) -> tuple[str, ...] | None:
    """The first of the changes that make `recipe` fit, as `key=value` words; None where nothing known does.

    The later of two changes is the one that costs more of what was asked for: time, then precision, then what is
    learned. A combination counts as late as the latest of its changes, and then by how many they are.
    """
    for change in _combined(list(changes_of(recipe))):
        try:
            changed = apply(recipe, change)
        except ValueError:  # the recipe has something that does not go with it
            continue
        if fits(changed):
            return tuple(f"{name}={_word(value)}" for name, value in change.items())
    return None


def changes_of(recipe: Recipe) -> Iterator[Change]:
    """What may be changed, from what costs least to what costs most."""
    policy, rollout = recipe.policy, recipe.rollout
    tokens = policy.micro_batch_tokens
    while (tokens := tokens // 2) >= LEAST_TOKENS:
        yield {"policy.micro_batch_tokens": tokens}
    if not policy.recompute_layers:
        yield {"policy.recompute_layers": True}
    if rollout.processes != 1 and not rollout.lag and rollout.engine != "vllm":
        yield {"rollout.processes": 1, "policy.processes": 1}
    packed = find_spec("bitsandbytes") is not None
    if policy.optimizer == "adamw" and packed:
        yield {"policy.optimizer": "adamw8bit"}
    if policy.dtype == "float32":
        yield {"policy.dtype": "bfloat16"}
    if not recipe.lora.rank and find_spec("peft") is not None:
        yield {"lora.rank": RANK}
        if packed:
            yield {"lora.rank": RANK, "lora.quantised": True, "policy.dtype": "bfloat16"}
    elif recipe.lora.rank and not recipe.lora.quantised and packed:
        yield {"lora.quantised": True, "policy.dtype": "bfloat16"}
    for share in (2, 4, 8):
        if rollout.max_tokens // share >= 64:
            yield {"rollout.max_tokens": rollout.max_tokens // share}
    if rollout.group_size >= 8:
        yield {"rollout.group_size": rollout.group_size // 2}


def apply(recipe: Recipe, change: Change) -> Recipe:
    """The recipe with other settings. Raises ValueError where they do not go together."""
    tables: dict[str, dict[str, Any]] = {}
    for name, value in change.items():
        table, _, key = name.partition(".")
        tables.setdefault(table, {})[key] = value
    return replace(recipe, **{table: replace(getattr(recipe, table), **its) for table, its in tables.items()})


def _combined(changes: list[Change]) -> Iterator[Change]:
    """Every combination of up to MOST changes that set different things."""
    for latest, last in enumerate(changes):
        for count in range(MOST):
            for others in combinations(changes[:latest], count):
                merged: dict[str, Any] = {}
                for change in (*others, last):
                    merged |= change
                if len(merged) == sum(map(len, (*others, last))):
                    yield merged


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
