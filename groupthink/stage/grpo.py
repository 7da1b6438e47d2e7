"""Group-relative policy optimisation: the five steps, composed."""

from collections.abc import Callable
from functools import partial
from typing import Any

from groupthink.advantage import advantage, telling
from groupthink.policy.assemble import assemble
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.run.directory import Run
from groupthink.run.metrics import dead_metrics
from groupthink.run.terminal import View
from groupthink.stage.chores import chores_of, evaluation, keeping_what_is_done
from groupthink.stage.clock import Clock
from groupthink.stage.closing import closing_figures, closing_lines
from groupthink.stage.credit import credit_tokens
from groupthink.stage.evaluate import evaluate_run
from groupthink.stage.fill import Filling, Scores
from groupthink.stage.penalties import penalise, weights_of
from groupthink.stage.progress import best_figures, until_enough
from groupthink.stage.publish import publish
from groupthink.stage.trust import require_agreement
from groupthink.stage.workshop import Workshop, open_workshop
from groupthink.stopping import finished_first
from groupthink.task.reply import reply_of


def train_by_grpo(run: Run, view: View, take_steps: Callable[[Run, Workshop, View], None]) -> dict[str, Any]:
    """Evaluate, take the steps (`grpo`, or a stage made of the same verbs), evaluate again, and publish the model."""
    settings = run.recipe.evaluate
    with open_workshop(run) as shop:
        shop.engine.load(shop.learner.weights)
        evaluate_run(run, shop, view, "before", settings.base_samples, cool_samples=settings.samples)
        with keeping_what_is_done(run, shop):
            evaluation(run, shop, view)(run.remaining_steps().start)  # a stop may have left it out
            course = until_enough(run, view, partial(take_steps, run, shop, view))
        evaluate_run(run, shop, view, "after", settings.samples)
        figures = closing_figures(run.read_evaluation("before"), run.read_evaluation("after"))
        figures |= course | best_figures(run)
        publish(run, shop.learner, shop.chat, figures)
    for line in closing_lines(figures):
        view.note(line)
    return figures


def grpo(run: Run, shop: Workshop, view: View) -> None:
    """Every remaining step of `run`; the engine holds the learner's weights.

    What a step draws depends on (seed, step) alone, so it can be replayed.
    """
    recipe, supply, engine, judge, learner = run.recipe, shop.supply, shop.engine, shop.judge, shop.learner
    task, weights, reply = recipe.task, weights_of(recipe), reply_of(shop.task)
    chores = chores_of(run, shop, view)

    def teaches(scores: Scores) -> list[bool]:
        return telling(scores, recipe.advantage, weights)

    for step in run.remaining_steps():
        clock = Clock()
        engine.verify(learner.weights)  # it cannot draw from stale weights
        filling = Filling(step, wanted=task.problems_per_step, rounds=task.rounds, telling=teaches)
        while filling.missing:
            problems, seed = supply.draw(filling.turn, filling.missing), mix(recipe.seed, filling.turn)
            with clock("generate"):  # 1: several responses to each problem
                groups = generate(engine, shop.chat, problems, recipe.rollout, seed, view.writing, reply)
            with clock("score"):  # 2: a reward for each response, by rules
                scores = judge.score(groups)
            supply.observe(step, groups, scores)
            filling.add(groups, scores)
        groups, judged = filling.kept()
        shop.make_room()
        with finished_first():
            with clock("learn"):
                scores, reference_M = penalise(groups, judged, learner, recipe)
                advantages_PG = advantage(scores, recipe.advantage, weights)  # 3-4: against its own group's average
                batch = assemble(groups, advantages_PG, recipe.objective, recipe.rollout.max_tokens)
                batch = credit_tokens(batch, reference_M, recipe)  # 4, where tokens of one response differ
                report = learner.update(batch, reference_M)  # 5: towards the better ones, held by KL
            with clock("sync"):
                engine.load(learner.weights)
            figures = {**filling.figures(), **dead_metrics(judged)}
            metrics = run.record(step, groups, scores, advantages_PG, batch, report, clock.seconds, figures)
        require_agreement(run, step, groups, batch, report, view)
        view.stepped(metrics)
        for chore in chores:
            chore(step + 1)
