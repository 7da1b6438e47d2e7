"""A task whose problems follow from how earlier ones went, as a curriculum does."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from groupthink.records import Problem

METHODS = ("observe", "state", "restore")
"""Of `Adaptive`."""


@runtime_checkable
class Adaptive(Protocol):
    """What such a task has, beside the rest. Its problems are a function of (seed, step, state)."""

    def observe(self, problem: Problem, right: int, responses: int) -> None:
        """Take in that `right` of the `responses` of a group solved `problem`."""
        ...

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds, as plain JSON."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state()` gave."""
        ...
