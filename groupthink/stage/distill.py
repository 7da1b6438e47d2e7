"""On-policy distillation: the student writes, and a teacher says of each token how likely it would have been to it.

The reverse KL of the sampled tokens, KL(student || teacher), takes the place of rewards. They are judged all the same,
so that figures say how often the student is right, but nothing is learned from that.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from groupthink.advantage.by_teacher import by_teacher
from groupthink.policy.assemble import assemble
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.records import Batch, Group
from groupthink.rollout.generate import generate
from groupthink.rollout.noise import mix
from groupthink.run.directory import Run
from groupthink.run.metrics import dead_metrics
from groupthink.run.terminal import View
from groupthink.stage.chores import chores_of
from groupthink.stage.clock import Clock
from groupthink.stage.trust import require_agreement
from groupthink.stage.workshop import Workshop
from groupthink.stopping import finished_first
from groupthink.task.reply import reply_of


def distill(run: Run, shop: Workshop, view: View) -> None:
    """Every remaining step of `run`; the engine holds the learner's weights, and the teacher is its reference.

    What a step draws depends on (seed, step) alone, so it can be replayed.
    """
    recipe, supply, engine, judge, learner = run.recipe, shop.supply, shop.engine, shop.judge, shop.learner
    reply, chores = reply_of(shop.task), chores_of(run, shop, view)
    for step in run.remaining_steps():
        clock = Clock()
        engine.verify(learner.weights)  # it cannot draw from stale weights
        problems, seed = supply.draw(step, recipe.task.problems_per_step), mix(recipe.seed, step)
        with clock("generate"):  # 1: the student's responses to each problem
            groups = generate(engine, shop.chat, problems, recipe.rollout, seed, view.writing, reply)
        with clock("score"):  # for the figures alone
            scores = judge.score(groups)
        supply.observe(step, groups, scores)
        shop.make_room()
        with finished_first():
            with clock("learn"):
                batch = gather(groups, recipe.objective, recipe.rollout.max_tokens)
                teacher_M = learner.reference_logprobs(batch)  # 2: what the teacher makes of each token
                report = learner.update(batch, teacher_M)  # 3-4: against what the student does; towards the teacher
                batch = compare(batch, teacher_M)  # for the record: an update does that by itself
            with clock("sync"):
                engine.load(learner.weights)
            figures = {"distill/reverse_kl": reverse_kl(batch), **dead_metrics(scores)}
            advantages_PG = of_responses(batch).reshape(len(groups), -1)
            metrics = run.record(step, groups, scores, advantages_PG, batch, report, clock.seconds, figures)
        require_agreement(run, step, groups, batch, report, view)
        view.stepped(metrics)
        for chore in chores:
            chore(step + 1)


def gather(groups: Sequence[Group], objective: ObjectiveSettings, max_tokens: int) -> Batch:
    """What was sampled as a batch, in which no reward has a say: all that moves the student is KL to the teacher."""
    nothing_PG = np.zeros((len(groups), len(groups[0].responses)))
    return assemble(groups, nothing_PG, objective, max_tokens)


def compare(batch: Batch, teacher_logprobs_M: np.ndarray) -> Batch:
    """The batch with the advantage of each token; `teacher_logprobs_M` in nats."""
    advantages_M = by_teacher(batch.old_logprobs_M, teacher_logprobs_M, batch.sampled_M)
    return replace(batch, advantages_M=advantages_M)


def reverse_kl(batch: Batch) -> float:
    """KL(student || teacher) in nats a token: the mean over the sampled tokens of `compare`'s batch."""
    return -float(batch.advantages_M[batch.sampled_M].mean(dtype=np.float64))


def of_responses(batch: Batch) -> np.ndarray:
    """[B], float64: each response's advantage, the mean over its sampled tokens."""
    sums_B = np.add.reduceat(batch.advantages_M, batch.starts[:-1], dtype=np.float64)
    return sums_B / np.add.reduceat(batch.sampled_M, batch.starts[:-1], dtype=np.int64)
