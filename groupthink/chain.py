"""A chain of thought and its answer, read from the text of a response.

<think>b=-5 c=6 ...</think>x=2, x=3
`------ reasoning ------'`- answer -'
"""

import re
from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"

_BEGUN = re.compile(rf"{OPEN}\s*(?P<closed>{CLOSE}\s*)?\Z")


@dataclass(frozen=True, slots=True)
class Chain:
    """`reasoning` and `answer` are None where the text has none; an unclosed chain has no answer."""

    reasoning: str | None
    answer: str | None
    well_formed: bool  # exactly one <think>...</think> at the start, and an answer after it


def read_chain(text: str, *, opening: str = "") -> Chain:
    """Split `text` into reasoning and answer.

    `opening`: what the prompt has written of the chain, before which `text` has its place: nothing; `<think>`, so that
    the text starts inside the reasoning; or `<think></think>`, so that it is the answer, and well formed without tags.
    A tag that occurs twice makes the chain malformed; the answer is what follows the last closing tag. Without any tag
    the whole text is the answer.

    >>> read_chain("<think>2*3=6</think>x=2, x=3")
    Chain(reasoning='2*3=6', answer='x=2, x=3', well_formed=True)
    >>> read_chain("x=2, x=3", opening="<think></think>")
    Chain(reasoning='', answer='x=2, x=3', well_formed=True)
    """
    text = opening + text
    if OPEN not in text and CLOSE not in text:
        return Chain(None, text.strip() or None, False)
    before, closed, after = text.rpartition(CLOSE)
    if not closed:
        return Chain(text.partition(OPEN)[2], None, False)
    lead, _, reasoning = before.rpartition(OPEN) if OPEN in before else ("", "", before)
    answer = after.strip() or None
    once = before.count(OPEN) == text.count(OPEN) == text.count(CLOSE) == 1  # and opened before it is closed
    return Chain(reasoning, answer, once and not lead.strip() and answer is not None)


def opening_of(prompt: str) -> str:
    """What a prompt has written of the chain of thought at its end, without the blanks: see `read_chain`.

    >>> opening_of("Solve x^2=4 <think>\\n"), opening_of("<think></think> Solve x^2=4")
    ('<think>', '')
    """
    found = _BEGUN.search(prompt)
    return "" if found is None else OPEN + (CLOSE if found["closed"] else "")
