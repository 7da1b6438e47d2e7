"""Keeps updates that are not finite away from the weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_IN_A_ROW = 3


@dataclass(slots=True)
class Guard:
    """Counts the updates that were skipped; the third batch in a row that had one is the end of the run."""

    skipped: int = 0
    in_a_row: int = 0  # batches
    refused: bool = False  # an update from the present batch
    verdict: str = ""  # why no further update is made; empty while they are

    def next_batch(self) -> None:
        if not self.refused:
            self.in_a_row = 0
        self.refused = False

    def allows(self, loss: float, grad_norm: float, whence: Callable[[], str]) -> bool:
        """Whether an update may be made. `whence` is asked at the last refusal, and says in words which response it
        came from."""
        if math.isfinite(loss) and math.isfinite(grad_norm) and not self.verdict:
            return True
        self.skipped += 1
        self.in_a_row += not self.refused
        self.refused = True
        if self.in_a_row == MOST_IN_A_ROW and not self.verdict:
            self.verdict = (
                f"an update from each of {self.in_a_row} batches in a row had a loss of {loss} and a gradient of norm "
                f"{grad_norm}, and was not made. {whence()}"
            )
        return False

    def require_hope(self) -> None:
        """Raise FloatingPointError where no further update is made.

        Not raised by `allows`, so that the step is on record by then: its responses can be looked up.
        """
        if self.verdict:
            raise FloatingPointError(self.verdict)
