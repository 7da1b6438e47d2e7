"""What the evaluations during a run say of it: which was the best, and whether it still gets better."""

from collections.abc import Callable, Sequence
from typing import Any

from groupthink.run.directory import Run
from groupthink.run.terminal import View

Evaluations = Sequence[tuple[int, float]]
"""Evaluations during a run, in order: steps done, and pass@1."""


class Enough(Exception):
    """A run has stopped getting better: no further steps."""


def history(run: Run) -> list[tuple[int, float]]:
    """The evaluations that a run holds, of the policy as it was before the first step and after so many.

    Those that could not tell what is right say nothing of how the run gets on, and are left out.
    """
    found = [(step, figures["pass@1"]) for step, figures in run.evaluations()]
    return [(step, float(passed)) for step, passed in found if passed is not None]


def best_step(evaluations: Evaluations) -> int | None:
    """After how many steps pass@1 was highest, the first time where there are several; None without evaluations."""
    return max(evaluations, key=lambda each: (each[1], -each[0]))[0] if evaluations else None


def stands_still(evaluations: Evaluations, patience: int) -> bool:
    """Whether the last `patience` evaluations were none better than one before them; never where that is 0."""
    best = best_step(evaluations)
    since = [step for step, _ in evaluations if best is not None and step > best]
    return patience > 0 and len(since) >= patience


def worth_keeping(run: Run, done: int) -> bool:
    """Whether the policy as it stands has just been found the best, or the last there will be."""
    found = history(run)
    evaluated = bool(found) and found[-1][0] == done
    return evaluated and (best_step(found) == done or stands_still(found, run.recipe.evaluate.patience))


def require_progress(run: Run) -> Callable[[int], None]:
    """A chore. Raises Enough once a run stands still."""

    def chore(done: int) -> None:
        if stands_still(found := history(run), run.recipe.evaluate.patience) and done < run.recipe.steps:
            raise Enough(
                f"after step {done} of {run.recipe.steps}: the best of {len(found)} evaluations is that after step "
                f"{best_step(found)}, {run.recipe.evaluate.patience} evaluations ago"
            )

    return chore


def until_enough(run: Run, view: View, take_steps: Callable[[], None]) -> None:
    """Take the steps of a run, and no more of them once `require_progress` says so."""
    try:
        require_progress(run)(run.remaining_steps().start)  # it may have been interrupted just then
        take_steps()
    except Enough as enough:
        run.event("ended early", reason=str(enough))
        view.note(f"ended early, {enough}")


def best_figures(run: Run) -> dict[str, Any]:
    """For a run's summary: its best evaluation and the checkpoint of it. Empty where there was none during the run."""
    found = history(run)
    step = best_step(found)
    if step is None or not found[-1][0]:
        return {}
    return {"best": {"step": step, "pass@1": dict(found)[step], "checkpoint": f"checkpoints/step-{step:06d}"}}
