"""The table [reward] of a recipe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """How much each reward weighs.

    RewardSettings(accuracy=0.6, format=0.2, brevity=0.2, functions={"rewards.py:no_shouting": 0.1})
    """

    accuracy: float = 0.6  # weight: the answer is right
    format: float = 0.2  # weight: one <think>...</think>, an answer after it, ended by the policy itself
    brevity: float = 0.2  # weight: a right answer in few tokens
    brief: int = 128  # tokens; brevity is 1 up to here ...
    long: int = 192  # tokens; ... and falls linearly to 0 here
    functions: Mapping[str, float] = field(default_factory=dict)  # "module:function" or "file.py:function" -> weight

    def __post_init__(self) -> None:
        for name, weight in self.weights.items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not math.isfinite(weight):
                raise ValueError(f"reward.{name} is {weight!r}: give it a finite number, the weight of this reward")
        for name in self.functions:
            place, colon, function = name.rpartition(":")
            if not (place and colon and function.isidentifier()):
                raise ValueError(f"reward.{name}: name a function as 'module:function' or 'file.py:function'")
        if not 0 <= self.brief < self.long:
            raise ValueError(
                f"reward.brief={self.brief} and reward.long={self.long}: "
                "brevity falls from brief to long, so set 0 <= brief < long"
            )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each reward, by the name that its part of a score has."""
        return {"accuracy": self.accuracy, "format": self.format, "brevity": self.brevity, **self.functions}
