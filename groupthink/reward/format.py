"""Format: the reasoning stands in one pair of tags, an answer follows, and the policy ended it itself."""

from groupthink.chain import Chain


def adherence(chain: Chain, finish: str) -> float:
    """1 where the chain is well formed and the response was not cut off, else 0."""
    return 1.0 if chain.well_formed and finish == "stop" else 0.0
