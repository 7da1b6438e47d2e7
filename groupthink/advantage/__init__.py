"""Steps 3 and 4: each response against its own group.

An estimator is a pure function `(rewards_PGK, weights_K) -> advantages_PG` of the K parts of the rewards and
their weights. NaN marks a part that is absent: its weight is 0 for that response.

| file | estimators | what rewards are measured by |
|---|---|---|
| `within_group` | center, standardize, leave_one_out, rank, maxrl, pass_at_k | their group alone |
| `within_group` | reward | nothing |
| `across_batch` | batch_std, reinforce_pp, whiten, gdpo | the spread of the whole batch, too |

All but `whiten` and `reward` are relative to the group: where its rewards are equal (for `gdpo`, each part of them),
its advantages are exactly 0.

Afterwards `whiten_tokens` (in `across_tokens`) can measure each token's advantage by those of all tokens of a step.
"""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from groupthink.advantage.across_batch import batch_std, gdpo, reinforce_pp, whiten
from groupthink.advantage.across_tokens import whiten_tokens
from groupthink.advantage.rewards import Estimator
from groupthink.advantage.settings import ESTIMATORS, AdvantageSettings
from groupthink.advantage.within_group import center, leave_one_out, maxrl, pass_at_k, rank, reward, standardize
from groupthink.records import Score

__all__ = [
    "ESTIMATORS",
    "AdvantageSettings",
    "Estimator",
    "advantage",
    "batch_std",
    "center",
    "gdpo",
    "leave_one_out",
    "maxrl",
    "pass_at_k",
    "rank",
    "reinforce_pp",
    "reward",
    "standardize",
    "telling",
    "whiten",
    "whiten_tokens",
]


def advantage(
    scores: Sequence[Sequence[Score]], settings: AdvantageSettings, weights: Mapping[str, float] | None = None
) -> np.ndarray:
    """The advantages_PG (float64) of P groups of G scores.

    A score's value is its parts, weighed: it is the one part that estimators are given. `gdpo` alone compares
    each part by itself, and is given those that `weights` names; without `weights` it has the value, too.
    Raises ValueError for groups of one, for groups of different sizes, and for a part without a weight.
    """
    if len({len(group) for group in scores}) > 1:
        raise ValueError("the groups differ in size: score as many responses to each problem")
    estimate = ESTIMATORS[settings.estimator]
    if estimate is gdpo and weights is not None:
        return gdpo(_parts(scores, weights), np.array(list(weights.values()), dtype=np.float64))
    if estimate is pass_at_k:
        estimate = partial(pass_at_k, k=settings.k, threshold=settings.threshold)
    values_PG = np.array([[score.value for score in group] for group in scores], dtype=np.float64)
    return estimate(values_PG[:, :, None], np.ones(1))


def telling(
    scores: Sequence[Sequence[Score]], settings: AdvantageSettings, weights: Mapping[str, float] | None = None
) -> list[bool]:
    """Of each group, whether it teaches something: whether responses of it differ in what the estimator looks at.

    That is so where an advantage is not 0. (`whiten`, `reward` and `whiten_tokens` give one to groups of equal rewards
    as well; of those it is said that they teach nothing, as DAPO has it, arXiv 2503.14476.) Errors as of `advantage`.
    """
    if ESTIMATORS[settings.estimator] in (whiten, reward):
        settings = AdvantageSettings("center")
    return (advantage(scores, settings, weights) != 0).any(axis=1).tolist()


def _parts(scores: Sequence[Sequence[Score]], weights: Mapping[str, float]) -> np.ndarray:
    """rewards_PGK in the order of `weights`; NaN for a part that a score does not have, or has as None."""
    unknown = {name for group in scores for score in group for name in score.parts} - weights.keys()
    if unknown:
        raise ValueError(f"rewards without a weight: {', '.join(sorted(unknown))}; give one for each part of a score")
    # None becomes NaN where an array of floats is made.
    return np.array([[[score.parts.get(name) for name in weights] for score in group] for group in scores], float)
