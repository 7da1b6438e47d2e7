"""What a rollout engine is: five verbs, and the handle that each submission gives."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from groupthink.records import Response, Weights
from groupthink.rollout.settings import RolloutSettings, check_law


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the responses to one prompt are drawn.

    Sampling(max_tokens=200, temperature=1.0, top_p=1.0, top_k=0, n=8)
    """

    max_tokens: int  # tokens of a response, its end included
    temperature: float = 1.0  # 0: greedy; the learner's law is then recorded at temperature 1
    top_p: float = 1.0  # 1: off
    top_k: int = 0  # 0: off
    n: int = 1  # responses to the prompt

    def __post_init__(self) -> None:
        check_law(self.max_tokens, self.temperature, self.top_p, self.top_k)
        if self.n < 1:
            raise ValueError(f"n is {self.n}: ask for at least 1 response")

    @classmethod
    def of(cls, settings: RolloutSettings) -> "Sampling":
        return cls(settings.max_tokens, settings.temperature, settings.top_p, settings.top_k, settings.group_size)


class NoRoom(ValueError):
    """A prompt leaves no room for a response in what the engine can hold of a sequence."""


class NoMemory(NoRoom):
    """There is no memory for the keys and values of what is asked for."""


class EngineFailed(RuntimeError):
    """What draws died or hung, and went on doing so after it was replaced."""


class Handle(Protocol):
    """The responses to one prompt, on their way."""

    def start(self) -> None:
        """Begin on all that was submitted so far, where the engine works while nobody waits."""
        ...

    def result(self) -> tuple[Response, ...]:
        """Wait for all responses. Raises RuntimeError where they were cancelled, or what made them died."""
        ...

    def cancel(self) -> None:
        """Give the places of these responses to others."""
        ...

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        """New tokens as they are drawn: pairs of a response's index and token ids, until all are finished."""
        ...


class Engine(Protocol):
    """Draws responses from a policy. Response j to a prompt depends on (weights, prompt, seed, j) alone."""

    restarts: list[str]
    """Why a process that draws was replaced, each time."""

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> Handle:
        """Ask for `sampling.n` responses to a prompt, which is prefilled once for all of them."""
        ...

    def load(self, weights: Weights) -> None:
        """Draw from these weights from now on; tokens carry their version."""
        ...

    def verify(self, weights: Weights) -> None:
        """Raise RuntimeError unless what it decodes with is made of exactly these weights, of this version."""
        ...

    def release(self) -> None:
        """Give memory back until the next submission."""
        ...

    def close(self) -> None:
        """End for good, and whatever else was started with it."""
        ...
