"""Keeps updates that are not finite away from the weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_IN_A_ROW = 3


@dataclass(slots=True)
class Guard:
    """Counts the updates that were skipped; the third in a row is the end of the run."""

    skipped: int = 0
    in_a_row: int = 0
    verdict: str = ""  # why no further update is made; empty while they are

    def allows(self, loss: float, grad_norm: float, whence: Callable[[], str]) -> bool:
        """Whether an update may be made. `whence` is asked at the third refusal in a row, and says in words which
        response it came from."""
        if math.isfinite(loss) and math.isfinite(grad_norm) and not self.verdict:
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row == MOST_IN_A_ROW:
            self.verdict = (
                f"{self.in_a_row} updates in a row had a loss of {loss} and a gradient of norm {grad_norm}, and were "
                f"not made. {whence()}"
            )
        return False

    def require_hope(self) -> None:
        """Raise FloatingPointError where no further update is made.

        Not raised by `allows`, so that the step is on record by then: its responses can be looked up.
        """
        if self.verdict:
            raise FloatingPointError(self.verdict)
