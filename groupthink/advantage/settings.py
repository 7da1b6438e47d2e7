"""The table [advantage] of a recipe, and the estimators that it can name."""

from dataclasses import dataclass

from groupthink.advantage.across_batch import batch_std, gdpo, reinforce_pp, whiten
from groupthink.advantage.rewards import Estimator
from groupthink.advantage.within_group import center, leave_one_out, maxrl, pass_at_k, rank, reward, standardize

ESTIMATORS: dict[str, Estimator] = {
    "center": center,
    "standardize": standardize,
    "leave_one_out": leave_one_out,
    "rank": rank,
    "maxrl": maxrl,
    "pass_at_k": pass_at_k,
    "batch_std": batch_std,
    "reinforce_pp": reinforce_pp,
    "whiten": whiten,
    "gdpo": gdpo,
    "reward": reward,
}


@dataclass(frozen=True, slots=True)
class AdvantageSettings:
    """How responses are compared."""

    estimator: str = "center"  # one of ESTIMATORS
    whiten_tokens: bool = False  # afterwards less their mean, by their spread, over all tokens of a step (REINFORCE++)
    k: int = 4  # responses; for pass_at_k: a set of so many passes if one in it is right. Below rollout.group_size
    threshold: float = 0.5  # for pass_at_k: a reward from here on is right

    def __post_init__(self) -> None:
        if self.estimator not in ESTIMATORS:
            raise ValueError(f"advantage.estimator is {self.estimator!r}: choose one of {', '.join(ESTIMATORS)}")
        if self.k < 1:
            raise ValueError(f"advantage.k is {self.k}: a set needs at least 1 response")
