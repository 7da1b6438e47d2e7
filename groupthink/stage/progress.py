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


def stands_still(evaluations: Evaluations, patience: int, since: int = 0) -> bool:
    """Whether the last `patience` evaluations were none better than one before them; never where that is 0.

    `since`: after so many steps a run that had finished was taken up again, and had its patience anew.
    """
    best = best_step(evaluations)
    worse = [step for step, _ in evaluations if best is not None and step > max(best, since)]
    return patience > 0 and len(worse) >= patience


def worth_keeping(run: Run, done: int) -> bool:
    """Whether the policy as it stands has just been found the best, or the last there will be."""
    found = history(run)
    evaluated = bool(found) and found[-1][0] == done
    return evaluated and (best_step(found) == done or _still(run, found))


def _still(run: Run, found: Evaluations) -> bool:
    patience = run.recipe.evaluate.patience
    return patience > 0 and stands_still(found, patience, run.taken_up_at())


def require_progress(run: Run) -> Callable[[int], None]:
    """A chore. Raises Enough once a run stands still."""

    def chore(done: int) -> None:
        if _still(run, found := history(run)) and done < run.recipe.steps:
            best = best_step(found)
            ago = sum(step > best for step, _ in found if best is not None)
            raise Enough(
                f"after step {done} of {run.recipe.steps}: the best of {len(found)} evaluations is that after step "
                f"{best}, {ago} evaluation{'s' * (ago > 1)} ago"
            )

    return chore


def until_enough(run: Run, view: View, take_steps: Callable[[], None]) -> dict[str, Any]:
    """Take the steps of a run, and no more of them once `require_progress` says so. What is to be said of that.

    {"steps": 12}, or {"steps": 12, "ended_early": "after step 12 of 40: ..."}: the steps that were done, of all of the
    run, and why no more of them were.
    """
    ended: dict[str, str] = {}
    try:
        require_progress(run)(run.remaining_steps().start)  # it may have been interrupted just then
        take_steps()
    except Enough as enough:
        ended = {"ended_early": str(enough)}
        run.event("ended early", reason=str(enough))
        view.note(f"ended early, {enough}")
    return {"steps": run.steps_done, **ended}


def best_figures(run: Run) -> dict[str, Any]:
    """For a run's summary: its best evaluation and the checkpoint of it. Empty where there was none during the run."""
    found = history(run)
    step = best_step(found)
    if step is None or not found[-1][0]:
        return {}
    return {"best": {"step": step, "pass@1": dict(found)[step], "checkpoint": f"checkpoints/step-{step:06d}"}}
