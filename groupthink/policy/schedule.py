"""The learning rate over a run, as a share of its highest value."""

import math
from collections.abc import Callable


def linear(progress: float) -> float:
    """1 at the beginning, 0 at the end."""
    return 1 - progress


def cosine(progress: float) -> float:
    """1 at the beginning, 0 at the end, level at both."""
    return (1 + math.cos(math.pi * progress)) / 2


def constant(progress: float) -> float:
    """1 throughout."""
    return 1.0


SCHEDULES: dict[str, Callable[[float], float]] = {"linear": linear, "cosine": cosine, "constant": constant}


def rate_share(step: int, *, total_steps: int, warmup_steps: int, schedule: str, final_share: float) -> float:
    """The share of the highest learning rate at `step`, counted from 0.

    It rises linearly to 1 at the last step of the warm-up, then falls to `final_share` at the last step
    of the run, and stays there. It depends on nothing but the step, so a resumed run has it too.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    falling = total_steps - max(warmup_steps, 1)
    progress = min(1.0, (step + 1 - max(warmup_steps, 1)) / falling) if falling > 0 else 1.0
    return final_share + (1 - final_share) * SCHEDULES[schedule](progress)
