"""Group-relative policy optimisation: the five steps, composed."""

from typing import Any

from groupthink.advantage import advantage
from groupthink.policy.assemble import assemble
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.run.directory import Run
from groupthink.run.terminal import View
from groupthink.stage.chores import chores_of
from groupthink.stage.clock import Clock
from groupthink.stage.closing import closing_figures, closing_lines
from groupthink.stage.evaluate import evaluate_run
from groupthink.stage.penalties import penalise
from groupthink.stage.publish import publish
from groupthink.stage.workshop import Workshop, open_workshop


def train_by_grpo(run: Run, view: View) -> dict[str, Any]:
    """Evaluate, take the steps, evaluate again, and publish the model with what was found."""
    settings = run.recipe.evaluate
    with open_workshop(run) as shop:
        shop.engine.load(shop.learner.weights)
        evaluate_run(run, shop, view, "before", settings.base_samples, cool_samples=settings.samples)
        grpo(run, shop, view)
        evaluate_run(run, shop, view, "after", settings.samples)
        figures = closing_figures(run.read_evaluation("before"), run.read_evaluation("after"))
        publish(run, shop.learner, shop.tokenizer, figures)
    for line in closing_lines(figures):
        view.note(line)
    return figures


def grpo(run: Run, shop: Workshop, view: View) -> None:
    """Every remaining step of `run`. What a step draws depends on (seed, step) alone, so it can be replayed."""
    recipe, task, engine, judge, learner = run.recipe, shop.task, shop.engine, shop.judge, shop.learner
    chores = chores_of(run, shop, view)
    engine.load(learner.weights)
    for step in run.remaining_steps():
        clock = Clock()
        problems = task.sample(step, recipe.task.problems_per_step)
        with clock("generate"):  # 1: several responses to each problem
            groups = generate(engine, shop.tokenizer, problems, recipe.rollout, mix(recipe.seed, step), view.writing)
        with clock("score"):  # 2: a reward for each response, by rules
            scores, reference_M = penalise(groups, judge.score(groups), learner, recipe)
        with clock("learn"):  # 3-5: against the average of its own group; towards the better ones, held by KL
            advantages_PG = advantage(scores, recipe.advantage)
            batch = assemble(groups, advantages_PG, recipe.objective, recipe.rollout.max_tokens)
            report = learner.update(batch, reference_M)
        engine.load(learner.weights)
        metrics = run.record(step, groups, scores, advantages_PG, batch, report, clock.seconds)
        view.stepped(metrics)
        for chore in chores:
            chore(step + 1)
