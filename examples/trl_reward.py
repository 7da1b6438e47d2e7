"""A reward that was written for TRL, as it is: it is known by the names of its parameters.

python examples/trl_reward.py [key=value ...]
"""

import sys

import groupthink


def short_enough(completions: list[str], answer: list[str], **columns: object) -> list[float]:
    """Up to 1 for a completion that is not much longer than its answer."""
    return [min(1.0, 8 * len(wanted) / max(len(text), 1)) for text, wanted in zip(completions, answer, strict=True)]


if __name__ == "__main__":
    trained = groupthink.train(
        model="nano",
        steps=20,
        reward={"accuracy": 1.0, "brevity": 0.0},
        rewards={short_enough: 0.2},
        words=sys.argv[1:],
    )
    print(f"{trained.figures['after']['length']:.0f} tokens a response; every one of them is in {trained.run}")
