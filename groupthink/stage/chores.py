"""What is done every n steps, after a step was recorded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path

from groupthink.insight.causes import diagnose
from groupthink.insight.history import History
from groupthink.policy.learning import Learning
from groupthink.reward.judge import Judge
from groupthink.rollout.engine import Engine, EngineFailed
from groupthink.run.checkpoints import step_of
from groupthink.run.directory import Run
from groupthink.run.terminal import View
from groupthink.scale.crew import GIVEN_UP
from groupthink.scale.rewards import RayJudge
from groupthink.stage.evaluate import evaluate_run
from groupthink.stage.progress import best_step, history, require_progress, worth_keeping
from groupthink.stage.workshop import Workshop
from groupthink.stopping import Stopped, in_time, waiting_at_most

Chore = Callable[[int], None]
"""Takes the number of steps done."""


def chores_of(run: Run, shop: Workshop, view: View, save: Callable[[Path], None] | None = None) -> list[Chore]:
    """A look at engine and learner; evaluation, where asked for; then the checkpoint: a resume finds both or neither.

    `save` writes what a checkpoint holds; None: what the workshop's does.
    """
    save = save or shop.save
    return [
        restarts(run, shop.engine, view),
        restarts(run, shop.judge, view),
        restarts(run, shop.learner, view, ALL if run.recipe.scale.learners else ANOTHER),
        health(run, shop),
        symptoms(run, view),
        evaluation(run, shop, view),
        checkpoint(run, save),
        require_progress(run),
    ]


ANOTHER = "another took its place, and what it was at is done again"
ALL = "all learners began anew, and stand where they stood"


def restarts(run: Run, workers: Engine | Judge | RayJudge | Learning, view: View, then: str = ANOTHER) -> Chore:
    """After each step: say why a process that draws, scores or learns was replaced, and what became of it `then`."""
    told = len(workers.restarts)

    def chore(done: int) -> None:
        nonlocal told
        for reason in workers.restarts[told:]:
            run.event("restarted", step=done - 1, reason=reason)
            view.note(reason if reason.endswith(GIVEN_UP) else f"{reason.rstrip('.')}; {then}")
        told = len(workers.restarts)

    return chore


def health(run: Run, shop: Workshop) -> Chore:
    """After each step: raises FloatingPointError where the learner makes no further updates."""

    def chore(done: int) -> None:
        try:
            shop.learner.guard.require_hope()
        except FloatingPointError as error:
            error.add_note(
                f"the figures and responses of this step, {done - 1}, are in {run.path}. Begin another run from its "
                f"last checkpoint (model={run.latest_checkpoint()}), with a lower policy.learning_rate"
            )
            raise

    return chore


def symptoms(run: Run, view: View) -> Chore:
    """After each step: say what the figures show to be wrong, each cause once in a run."""
    told = {event["cause"] for event in run.events("finding")}

    def chore(done: int) -> None:
        for finding in diagnose(History(run.recipe, run.lines)):
            if finding.cause not in told:
                told.add(finding.cause)
                run.event("finding", **asdict(finding))
                view.note(f"{finding.evidence}: {finding.advice}")

    return chore


def checkpoint(run: Run, save: Callable[[Path], None]) -> Chore:
    """Every `checkpoint_every` steps, after the last one, and where an evaluation found the best policy so far."""
    recipe = run.recipe
    run.drop_spent_checkpoints(best_step(history(run)))

    def chore(done: int) -> None:
        if done % recipe.checkpoint_every == 0 or done == recipe.steps or worth_keeping(run, done):
            run.checkpoint(done, save, best_step(history(run)))

    return chore


def evaluation(run: Run, shop: Workshop, view: View) -> Chore:
    """Every `evaluate.every` steps; the one after the last step is the run's closing evaluation."""
    recipe = run.recipe

    def chore(done: int) -> None:
        if recipe.evaluate.every and done % recipe.evaluate.every == 0 and 0 < done < recipe.steps:
            if recipe.stage == "sft":  # which draws at no other time
                shop.engine.load(shop.learner.weights)
            evaluate_run(run, shop, view, f"step-{done:06d}", recipe.evaluate.samples)

    return chore


@contextmanager
def keeping_what_is_done(run: Run, shop: Workshop) -> Iterator[None]:
    """Where the engine gives up or a stop is asked for, write a checkpoint: a resume goes on with the step in hand.

    (What was asked for ahead is lost with an engine, and is drawn from newer weights then. With a lag a stop is the
    stage's, which knows what is on its way.)
    """
    try:
        kept = nullcontext() if run.recipe.rollout.lag else kept_after_a_stop(run, shop, shop.save)
        with waiting_at_most(run.recipe.stop_patience), kept:
            yield
    except EngineFailed as failed:
        keep_what_is_done(run, shop, shop.save)
        failed.add_note(f"what was learned until then is kept in {run.latest_checkpoint()}")
        raise


@contextmanager
def kept_after_a_stop(run: Run, shop: Workshop, save: Callable[[Path], None]) -> Iterator[None]:
    """Where a stop is asked for, have `save` write a checkpoint of the steps that are done, if there is none."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        if not (isinstance(stopped, Stopped) and stopped.torn):
            try:
                with in_time():
                    keep_what_is_done(run, shop, save)
            except (Exception, KeyboardInterrupt) as failed:
                said = str(failed) or "it took too long"
                stopped.add_note(f"its last steps could not be kept ({said}), and are made again")
        raise


def keep_what_is_done(run: Run, shop: Workshop, save: Callable[[Path], None]) -> None:
    """Write a checkpoint, unless the newest has all steps, or one has changed learner or pool and is not recorded.

    A step's evaluation may be missing: a resume makes it first.
    """
    newest, done = run.latest_checkpoint(), shop.learner.steps
    recorded = run.steps_done == done >= shop.supply.observed
    if recorded and (newest is None or step_of(newest) < done):
        passing = done % run.recipe.checkpoint_every > 0 and done < run.recipe.steps
        run.checkpoint(done, save, best_step(history(run)), passing)
