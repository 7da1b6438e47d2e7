"""A reward of one's own: chains that check their result before they answer.

python examples/own_reward.py [key=value ...]
"""

import sys

import groupthink


def checks(problem: groupthink.Problem, response: groupthink.Response) -> float:
    """1 where the reasoning multiplies the roots once more."""
    return float("*" in (response.reasoning or ""))


if __name__ == "__main__":
    trained = groupthink.train(model="nano", steps=40, rewards={checks: 0.2}, words=sys.argv[1:])
    after = trained.figures["after"]
    print(f"{after['pass@1']:.0%} right, in {after['length']:.0f} tokens; the model is in {trained.model}")
