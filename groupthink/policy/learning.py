"""What a stage asks of who learns, whether that is this process or several elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from transformers import PreTrainedModel

from groupthink.policy.guard import Guard
from groupthink.records import Batch, Report, Weights


class Learning(Protocol):
    """Owns the policy while it learns, and moves it by one batch at a time: see `Learner`, which is one."""

    model: PreTrainedModel
    """The policy; where it lies elsewhere, its outline."""

    steps: int
    """Calls of `update` so far."""

    guard: Guard
    restarts: list[str]
    """Why processes that learn were begun anew, each time."""

    @property
    def weights(self) -> Weights:
        """The policy as it is."""
        ...

    def update(self, batch: Batch, reference_logprobs_M: np.ndarray | None = None) -> Report:
        """Learn from a batch."""
        ...

    def reference_logprobs(self, batch: Batch) -> np.ndarray:
        """The log-probabilities [M] (nats) of a batch's tokens under the reference."""
        ...

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        """The policy's laws [R, V] of the token that follows each beginning, as logarithms, in nats."""
        ...

    def write_model(self, folder: Path) -> None:
        """Write the policy in Hugging Face format."""
        ...

    def save(self, folder: Path) -> None:
        """Write the policy, and what `restore` needs beside it."""
        ...

    def restore(self, folder: Path) -> None:
        """Go back to what `save` wrote."""
        ...

    def close(self) -> None:
        """End, with all that was started for it."""
        ...
