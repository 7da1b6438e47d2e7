"""The table [reward] of a recipe."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from groupthink.nearest import nearest
from groupthink.reward.language import SCRIPTS

ALWAYS = ("accuracy", "format", "brevity")
OPTIONAL = ("majority", "format_answer", "format_boxed", "repetition", "language")
"""Rewards that are computed where they weigh something."""


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
    majority: float = 0.0  # weight: the answer that most of the group gave, where nobody knows the right one
    format_answer: float = 0.0  # weight: format, and the answer stands in one <answer>...</answer>
    format_boxed: float = 0.0  # weight: format, and the answer has one \boxed{...}
    repetition: float = 0.0  # weight: minus the share of runs of tokens that came before
    repetition_n: int = 8  # tokens of such a run
    language: float = 0.0  # weight: the share of the reasoning's words that are written in ...
    script: str = "latin"  # ... this script: latin, cyrillic, chinese, ...
    functions: Mapping[str, float] = field(default_factory=dict)  # "module:function" or "file.py:function" -> weight

    def __post_init__(self) -> None:
        for name, weight in {**{name: getattr(self, name) for name in OPTIONAL}, **self.weights}.items():
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
        if self.repetition_n < 1:
            raise ValueError(f"reward.repetition_n is {self.repetition_n}: a run has at least 1 token")
        if self.script not in SCRIPTS:
            raise ValueError(
                f"reward.script is {self.script!r}: did you mean {nearest(self.script, SCRIPTS)}? "
                f"(there are: {', '.join(SCRIPTS)})"
            )

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each reward that is computed, by the name that its part of a score has."""
        optional = {name: getattr(self, name) for name in OPTIONAL}
        return {
            **{name: getattr(self, name) for name in ALWAYS},
            **{name: weight for name, weight in optional.items() if weight},
            **self.functions,
        }
