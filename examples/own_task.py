"""A task of one's own: a function that makes problem `index`, and its answer.

python examples/own_task.py [key=value ...]
"""

import random
import sys

import groupthink


def halves(seed: int, index: int) -> tuple[str, str]:
    """Sums that are halved, without a remainder."""
    draw = random.Random(f"{seed}/{index}")
    half, part = draw.randint(-30, 30), draw.randint(-30, 30)
    return f"Compute ({part}{2 * half - part:+d})/2", str(half)


if __name__ == "__main__":
    trained = groupthink.train(model="nano", task=halves, steps=20, rollout={"max_tokens": 64}, words=sys.argv[1:])
    before, after = (trained.figures[when]["pass@1"] for when in ("before", "after"))
    print(f"right before: {before:.0%}, after: {after:.0%}")
