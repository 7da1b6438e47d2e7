"""GRPO whose generation runs ahead of learning: the same five steps, of which the first is begun earlier."""

from collections.abc import Sequence

import numpy as np

from groupthink.advantage import advantage
from groupthink.policy.assemble import assemble
from groupthink.records import Group
from groupthink.run.directory import Run
from groupthink.run.metrics import dead_metrics
from groupthink.run.terminal import View
from groupthink.stage.ahead import Ahead
from groupthink.stage.chores import chores_of, kept_after_a_stop
from groupthink.stage.clock import Clock
from groupthink.stage.credit import credit_tokens
from groupthink.stage.penalties import penalise, weights_of
from groupthink.stage.trust import require_agreement
from groupthink.stage.workshop import Workshop
from groupthink.stopping import finished_first


def grpo_async(run: Run, shop: Workshop, view: View) -> None:
    """Every remaining step of `run`; the engine holds the learner's weights, or those of a version on its way to it.

    Step k is sampled by version k - lag (version 0 in the first steps), or by that and newer ones where the engine
    takes weights at once. (Turns after a task's replies are asked for when their step is taken: with a lag, only such
    an engine draws them.) At lag 0 this is `grpo`. The old log-probabilities are those of the law that sampled, so the
    objective's ratio and its corrections see the staleness.
    """
    ahead = Ahead(run, shop)
    with kept_after_a_stop(run, shop, ahead.save):
        _take_steps(run, shop, view, ahead)


def _take_steps(run: Run, shop: Workshop, view: View, ahead: Ahead) -> None:
    recipe, engine, judge, learner = run.recipe, shop.engine, shop.judge, shop.learner
    weights, chores = weights_of(recipe), chores_of(run, shop, view, ahead.save)
    for step in run.remaining_steps():
        clock = Clock()
        with finished_first():  # of what is on its way nobody else knows
            engine.verify(learner.weights)  # it cannot draw from stale weights
            ahead.ask(step)
            with clock("generate"):  # 1: several responses to each problem, begun while earlier steps were learned from
                groups = ahead.take(step)
                view.writing(groups[0].responses[0].text)
            with clock("score"):  # 2: a reward for each response, by rules
                scores = judge.score(groups)
            shop.supply.observe(step, groups, scores)
            judged = scores
            shop.make_room()
            with clock("learn"):
                scores, reference_M = penalise(groups, judged, learner, recipe)
                advantages_PG = advantage(scores, recipe.advantage, weights)  # 3-4: against its own group's average
                batch = assemble(groups, advantages_PG, recipe.objective, recipe.rollout.max_tokens)
                batch = credit_tokens(batch, reference_M, recipe)  # 4, where tokens of one response differ
                report = learner.update(batch, reference_M)  # 5: towards the better ones, held by KL
            with clock("sync"):
                engine.load(learner.weights)
            figures = {**staleness(groups, step), **dead_metrics(judged)}
            metrics = run.record(step, groups, scores, advantages_PG, batch, report, clock.seconds, figures)
            require_agreement(run, step, groups, batch, report, view, ahead.probed(step))
            view.stepped(metrics)
        for chore in chores:
            chore(step + 1)


def staleness(groups: Sequence[Group], version: int) -> dict[str, float]:
    """By how many updates the weights that drew a token are older than those, of `version`, that learn from it."""
    lags_M = np.concatenate(
        [version - response.versions_T[response.sampled_T] for group in groups for response in group.responses]
    )
    return {"sampling/lag/mean": float(lags_M.mean()), "sampling/lag/max": float(lags_M.max())}
