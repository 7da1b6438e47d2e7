"""What an objective takes off the rewards before responses are compared: divergence, and length near the limit."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from groupthink.policy.assemble import assemble
from groupthink.policy.learning import Learning
from groupthink.policy.objective.kl import kl_in_reward
from groupthink.policy.objective.overlong import overlong_punishment
from groupthink.recipe import Recipe
from groupthink.records import Group, Score
from groupthink.stage.fill import Scores


def penalise(
    groups: Sequence[Group], scores: Scores, learner: Learning, recipe: Recipe
) -> tuple[Scores, np.ndarray | None]:
    """The scores with what the objective takes off, as further parts "kl" and "overlong".

    Beside them the reference's log-probabilities [M] (nats) where they had to be found before the update: for a KL term
    in the rewards, or in advantages, which are not made yet. Without such terms the scores come back as they are.
    (DAPO's punishment: arXiv 2503.14476, equation 13; KL in the reward: arXiv 2402.14740.)
    """
    objective, reference_logprobs_M = recipe.objective, None
    if objective.kl > 0 and objective.kl_place != "loss":
        batch = assemble(
            groups, np.zeros((len(groups), recipe.rollout.group_size)), objective, recipe.rollout.max_tokens
        )
        reference_logprobs_M = learner.reference_logprobs(batch)
        if objective.kl_place == "reward":
            kl_B = kl_in_reward(
                batch.old_logprobs_M,
                reference_logprobs_M,
                batch.sampled_M,
                batch.starts,
                estimator=objective.kl_estimator,
            )
            scores = _add(scores, "kl", -kl_B, objective.kl)
    if objective.overlong_share:
        lengths_B = np.array([len(response) for group in groups for response in group.responses])
        punishment_B = overlong_punishment(
            lengths_B, max_tokens=recipe.rollout.max_tokens, share=objective.overlong_share
        )
        scores = _add(scores, "overlong", punishment_B, 1.0)
    return scores, reference_logprobs_M


def weights_of(recipe: Recipe) -> dict[str, float]:
    """The weight of every part of a reward, penalties among them."""
    return {**recipe.reward.weights, "kl": recipe.objective.kl, "overlong": 1.0}


def _add(scores: Scores, name: str, values_B: np.ndarray, weight: float) -> Scores:
    values = iter(values_B.tolist())

    def added(score: Score) -> Score:
        value = next(values)
        return replace(score, value=score.value + weight * value, parts={**score.parts, name: value})

    return [[added(score) for score in group] for group in scores]
