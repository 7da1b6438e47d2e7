"""Where a run stands, and whether it may go on as it is asked to: what a resume may change, and what it must keep."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from groupthink.recipe import Recipe, load_recipe, settings_of
from groupthink.run import checkpoints
from groupthink.run.files import read_object

ELSEWHERE = (
    "engines",
    "least_engines",
    "learners",
    "rewards",
    "address",
    "placement",
    "transport",
    "engine_cpus",
    "engine_gpus",
    "learner_cpus",
    "learner_gpus",
    "prompts",
    "patience",
    "failures",
)
"""Of [scale]: who draws, scores and learns, and where. What they come to depends on it by rounding alone."""

MAY_CHANGE = frozenset(
    {"steps", "checkpoint_every", "stop_patience", "trackers", "evaluate.patience"}
    | {f"scale.{it}" for it in ELSEWHERE}
)
"""What a resumed run may set anew. (More steps also stretch the learning rate's schedule from there on.)"""

SETTLED = frozenset({"rollout.processes", "policy.processes", "policy.threads"})
"""What a run settles at its first start, where its recipe leaves it open by 0."""


class Standing(NamedTuple):
    """Where a run stands."""

    before: Recipe  # as the run holds it
    recipe: Recipe  # with what is set anew
    newest: Path | None  # the newest complete checkpoint, verified

    @property
    def done(self) -> int:
        """Steps behind that checkpoint."""
        return checkpoints.step_of(self.newest) if self.newest else 0


def find_standing(
    path: Path | str, overrides: Sequence[str] = (), settings: Mapping[str, Any] = MappingProxyType({})
) -> Standing:
    """Where the run in `path` stands, and what it will do if it is resumed so (see `load_recipe`). Changes nothing.

    Raises FileNotFoundError where there is no run, and ValueError where it has finished (unless `steps` extends it, or
    it ended early and `evaluate.patience` changes), where what is asked for would change what its steps are, and where
    checkpoints of learned steps are there and none that is whole.
    """
    path = Path(path)
    refuse_absent(path)
    before = load_recipe(path / "recipe.toml")
    recipe = load_recipe(path / "recipe.toml", overrides, settings)
    _refuse_changes(before, recipe)
    if (path / "summary.json").exists():
        _require_further(path, before, recipe)
    standing = Standing(before, recipe, checkpoints.latest_checkpoint(path / "checkpoints"))
    if standing.newest is None and checkpoints.has_learned(path / "checkpoints"):
        raise ValueError(
            f"no checkpoint of the run in {path} is whole, and to begin it anew would remove all of its steps: bring "
            "one back from a copy, or begin another run with --run"
        )
    if recipe.steps < standing.done:
        raise ValueError(f"steps={recipe.steps}: the run in {path} has already done {standing.done} steps")
    return standing


def _require_further(path: Path, before: Recipe, recipe: Recipe) -> None:
    """Raise ValueError where a run that has finished is asked for nothing further."""
    if recipe.stage == "sample":
        raise ValueError(f"the run in {path} has finished: its data set is in {path / 'data'}; begin another for more")
    done = read_object(path / "summary.json").get("steps", before.steps)
    if type(done) is not int:
        raise ValueError(f"{path / 'summary.json'} says that {done!r} steps were done: was it edited by hand?")
    early, patience = done < before.steps, before.evaluate.patience
    if recipe.steps > before.steps or (early and recipe.evaluate.patience != patience):
        return
    if early:
        raise ValueError(
            f"the run in {path} has finished: it ended early, after {done} of its {before.steps} steps. Go on with it "
            f"by another evaluate.patience, such as {further(patience)} (or 0: to its last step), or by "
            f"steps={further(before.steps)}"
        )
    raise ValueError(
        f"the run in {path} has finished its {before.steps} steps: extend it with steps={further(before.steps)}"
    )


def further(steps: int) -> int:
    """How many steps (or evaluations) to go on to, by way of example, where so many are done."""
    return max(2 * steps, 1)


def refuse_absent(path: Path) -> None:
    """Raise FileNotFoundError where there is no run."""
    if not (path / "recipe.toml").is_file():
        raise FileNotFoundError(f"there is no run in {path} to resume: without --resume one is begun")


def _refuse_changes(old: Recipe, new: Recipe) -> None:
    before, after = settings_of(old), settings_of(new)
    changes = [
        f"{name}: {before.get(name, 'unset')} -> {after.get(name, 'unset')}"
        for name in {**before, **after}
        if before.get(name) != after.get(name)
        and name not in MAY_CHANGE
        and not (name in SETTLED and after.get(name) == 0)  # it is settled anew
    ]
    if changes:
        raise ValueError(
            "a resumed run keeps its recipe, and these would change what its steps are:\n  "
            + "\n  ".join(changes)
            + "\nleave them out, or begin another run with --run"
        )
