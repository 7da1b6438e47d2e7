"""Which processes a run will have, and how many threads each of them computes with."""

from dataclasses import dataclass

from groupthink.insight.plan.shape import ModelShape
from groupthink.model.threads import MOST, SMALL, physical_cores
from groupthink.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Staff:
    """Staff(drawing=2, learning=2, threads=1, small=True)"""

    drawing: int  # processes that generate, the first one included (with a lag, vLLM or engines on a cluster: 1)
    learning: int  # processes that learn, the first one included (with learners on a cluster: 1)
    threads: int  # of each that learns
    small: bool  # whether a processor computes the model faster in several processes than with several threads


def staff_of(recipe: Recipe, shape: ModelShape, device: str, worth: int | None = None) -> Staff:
    """What a run would settle at its first start, on a `device` of this machine: cpu, cuda or mps.

    `worth`: how many processes were found to draw fastest; None: all that may be worth having.
    """
    small = device == "cpu" and shape.parameters < SMALL
    most = min(MOST, physical_cores()) if small else 1
    # Where the recipe says how many generate, a run does not measure.
    worth = most if recipe.rollout.processes or worth is None else min(worth, most)
    alone = device != "cpu" or recipe.rollout.lag > 0 or recipe.rollout.engine == "vllm" or bool(recipe.scale.engines)
    learning = recipe.policy.processes or (max(1, worth - 1) if recipe.rollout.lag else worth)
    if recipe.learns_alone or device != "cpu" or recipe.stage == "sample":  # which learns nothing
        learning = 1
    threads = recipe.policy.threads
    if recipe.scale.learners:
        learning, threads = 1, max(1, int(recipe.scale.learner_cpus))
    return Staff(
        drawing=1 if alone else recipe.rollout.processes or worth,
        learning=learning,
        threads=threads or (1 if small else max(1, physical_cores() // learning)),
        small=small,
    )
