"""Format: the reasoning stands in one pair of tags, an answer follows, and the policy ended it itself."""

import re

from groupthink.chain import Chain

_TAGS = re.compile(r"<answer>|</answer>")


def adherence(chain: Chain, finish: str) -> float:
    """1 where the chain is well formed and the response was not cut off, else 0.

    What a prompt has written of the chain is known to who reads it (`read_chain(..., opening="<think>")`).
    """
    return 1.0 if chain.well_formed and finish == "stop" else 0.0


def tagged(chain: Chain, finish: str) -> float:
    """1 where, further, what follows the reasoning is exactly one `<answer>...</answer>` with something in it."""
    answer = (chain.answer or "").strip()
    inside = answer.removeprefix("<answer>").removesuffix("</answer>")
    whole = answer == f"<answer>{inside}</answer>" and inside.strip() and not _TAGS.search(inside)
    return adherence(chain, finish) if whole else 0.0


def boxed(chain: Chain, finish: str) -> float:
    r"""1 where, further, what follows the reasoning has exactly one `\boxed{...}`, closed, with something in it."""
    _, box, after = (chain.answer or "").partition("\\boxed{")
    if not box or "\\boxed" in after:
        return 0.0
    depth = 1
    for place, sign in enumerate(after):
        depth += (sign == "{") - (sign == "}")
        if not depth:
            return adherence(chain, finish) if after[:place].strip() else 0.0
    return 0.0
