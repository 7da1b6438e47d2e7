"""A chain of thought and its answer, read from the text of a response.

<think>b=-5 c=6 ...</think>x=2, x=3
`------ reasoning ------'`- answer -'
"""

from dataclasses import dataclass

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True, slots=True)
class Chain:
    """`reasoning` and `answer` are None where the text has none; an unclosed chain has no answer."""

    reasoning: str | None
    answer: str | None
    well_formed: bool  # exactly one <think>...</think> at the start, and an answer after it


def read_chain(text: str, *, opened: bool = False) -> Chain:
    """Split `text` into reasoning and answer.

    `opened`: the prompt already ended with `<think>`, so the text starts inside the reasoning. A tag
    that occurs twice makes the chain malformed; the answer is what follows the last closing tag.
    Without any tag the whole text is the answer.

    >>> read_chain("<think>2*3=6</think>x=2, x=3")
    Chain(reasoning='2*3=6', answer='x=2, x=3', well_formed=True)
    """
    if opened:
        text = OPEN + text
    if OPEN not in text and CLOSE not in text:
        return Chain(None, text.strip() or None, False)
    before, closed, after = text.rpartition(CLOSE)
    if not closed:
        return Chain(text.partition(OPEN)[2], None, False)
    lead, _, reasoning = before.rpartition(OPEN) if OPEN in before else ("", "", before)
    answer = after.strip() or None
    once = before.count(OPEN) == 1 and OPEN not in after and text.count(CLOSE) == 1
    return Chain(reasoning, answer, once and not lead.strip() and answer is not None)
