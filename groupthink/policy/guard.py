"""Keeps updates that are not finite away from the weights."""

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_IN_A_ROW = 3


@dataclass(slots=True)
class Guard:
    """Counts the updates that were skipped; after three in a row, the run is stopped."""

    skipped: int = 0
    in_a_row: int = 0

    def allows(self, loss: float, grad_norm: float, whence: Callable[[], str]) -> bool:
        """Whether an update may be made. Raises FloatingPointError at the third refusal in a row.

        `whence` is asked then, and says in words which response it came from.
        """
        if math.isfinite(loss) and math.isfinite(grad_norm):
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= MOST_IN_A_ROW:
            raise FloatingPointError(
                f"{self.in_a_row} updates in a row had a loss of {loss} and a gradient of norm {grad_norm}, and were "
                f"not made. {whence()} Begin another run from its last checkpoint (model=RUN), with a lower "
                "policy.learning_rate."
            )
        return False
