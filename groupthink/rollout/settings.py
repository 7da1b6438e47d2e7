"""The table [rollout] of a recipe."""

from dataclasses import dataclass

ENGINES = ("torch", "vllm")
LAGS = ("order", "time")
LEAST_PATIENCE = 15.0


@dataclass(frozen=True, slots=True)
class RolloutSettings:
    """How responses are drawn."""

    group_size: int = 8  # responses to each problem
    max_tokens: int = 200  # tokens of a response, its end included
    temperature: float = 1.0  # logits are divided by it, here and in the learner; 0 in an evaluation: greedy
    top_p: float = 1.0  # draw from the likeliest tokens that hold this share of the probability; 1: from all
    top_k: int = 0  # draw from so many likeliest tokens; 0: from all
    processes: int = 0  # that generate side by side; 0: found at the first start and written into the run
    lag: int = 0  # for stage grpo_async: by how many versions of the weights what is learned from may be behind
    lag_by: str = "order"  # exactly `lag`, by the order of orders; or "time": at most, and weights are taken at once
    engine: str = "torch"  # torch: embedded, shares the learner's weights; vllm: as [vllm] says
    max_difference: float = 0.1  # nats a token between engine and learner, beyond which a run stops or corrects; 0: off
    patience: float = 120.0  # seconds without a sign of life, after which a process that generates counts as hung

    def __post_init__(self) -> None:
        if self.group_size < 1:
            raise ValueError(f"rollout.group_size is {self.group_size}: a problem needs at least 1 response")
        if self.processes < 0:
            raise ValueError(f"rollout.processes is {self.processes}: give 1 or more, or 0 to let it be found")
        if self.lag < 0:
            raise ValueError(f"rollout.lag is {self.lag}: give 0 or more versions")
        if self.engine not in ENGINES:
            raise ValueError(f"rollout.engine is {self.engine!r}: choose one of {', '.join(ENGINES)}")
        if self.max_difference < 0:
            raise ValueError(f"rollout.max_difference is {self.max_difference}: give nats above 0, or 0 for no bound")
        if self.lag_by not in LAGS:
            raise ValueError(f"rollout.lag_by is {self.lag_by!r}: choose one of {', '.join(LAGS)}")
        if self.patience < LEAST_PATIENCE:
            raise ValueError(
                f"rollout.patience is {self.patience}: give {LEAST_PATIENCE:g} seconds or more, for a process that is "
                "well is heard of every 5"
            )
        check_law(self.max_tokens, self.temperature, self.top_p, self.top_k, table="rollout.")
        if self.temperature == 0:
            raise ValueError(
                "rollout.temperature is 0: greedy responses of a group are all equal, so nothing can be learned; "
                "set it above 0, 1.0 for instance"
            )


def check_law(max_tokens: int, temperature: float, top_p: float, top_k: int, table: str = "") -> None:
    """Refuse, by `ValueError`, figures from which no token could be drawn."""
    if max_tokens < 1:
        raise ValueError(f"{table}max_tokens is {max_tokens}: a response needs at least 1 token")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"{table}temperature is {temperature}: give a number from 0 (greedy) upwards")
    if not 0 < top_p <= 1:
        raise ValueError(f"{table}top_p is {top_p}: give a share above 0 and up to 1 (1: off)")
    if top_k < 0:
        raise ValueError(f"{table}top_k is {top_k}: give a number of tokens, or 0 to draw from all")
