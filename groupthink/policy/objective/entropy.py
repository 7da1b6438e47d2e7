"""How much uncertainty is worth: a bonus on the entropy of each token's law, fixed or steered to a target.

The bonus is `entropy_bonus * entropy`, subtracted from the loss of a token, and reduced as that is, over all tokens of
the batch. (TRL takes its mean over tokens, whatever the reduction, and under top-entropy over the tokens in focus.)
"""


def next_bonus(bonus: float, entropy: float, *, target: float, step: float) -> float:
    """The bonus after an update whose mean entropy was `entropy` (nats): a step up at the target or below, else down.

    It stays within 0 and 1. Skywork-OR1 (arXiv 2505.22312, section 3.2.5) takes target 0.2, step 0.005, and starts
    at 0. At step 0 the bonus is fixed.
    """
    return min(max(bonus + (step if entropy <= target else -step), 0.0), 1.0)


def applied_bonus(bonus: float, entropy: float | None, *, target: float, step: float) -> float:
    """What of a steered bonus counts: all at the target or below, nothing above it. A fixed one (step 0) always.

    `entropy`: the mean of the update before, in nats; None before the first, when a steered one does not count.
    """
    return bonus if step == 0 or (entropy is not None and entropy <= target) else 0.0
