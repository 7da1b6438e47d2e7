"""Where steps are composed. `train` runs the stage that a recipe asks for, from wherever its run stands."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a recipe is composed of this room's settings, among others, and a run holds a recipe
    from groupthink.run.directory import Run
    from groupthink.run.terminal import View


def train(run: "Run", view: "View") -> dict[str, Any]:
    """Run the stage of `run.recipe` to its end and return its closing figures."""
    from groupthink.run.trackers import tracked

    with tracked(run, view) as telling:
        telling.note(f"opening {run.recipe.model}")
        return _stage(run.recipe.stage)(run, telling)


def _stage(kind: str) -> Callable[["Run", "View"], dict[str, Any]]:
    if kind in ("grpo", "grpo_async", "distill"):
        from groupthink.stage.distill import distill
        from groupthink.stage.grpo import grpo, train_by_grpo
        from groupthink.stage.grpo_async import grpo_async

        return partial(train_by_grpo, take_steps={"grpo": grpo, "grpo_async": grpo_async, "distill": distill}[kind])
    if kind == "sample":
        from groupthink.stage.sample.sampling import sample

        return sample
    if kind == "evaluate":
        from groupthink.stage.measure import measure

        return measure
    assert kind == "sft", kind  # the recipe knows no other
    from groupthink.stage.sft import train_by_sft

    return train_by_sft
