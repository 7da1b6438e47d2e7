"""What is looked for in responses, and what stands around it: by RE2 alone, whose time is linear in the text.

A pattern is a regular expression in RE2's grammar, which has neither look-around nor back-references, so that no
pattern can hang.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as compute

LONGEST_PATTERN = 1000
"""Characters."""

REFLECTION = r"\b(?:wait\b|hmm|actually\b|(?:re-?|double[ -]?)?check|(?:let me|try) again\b|on second thought|no,)"
"""Words with which a chain of thought turns round and looks at itself."""

AROUND, SHOWN, OPENING = 80, 400, 160
"""How many characters are shown on either side of what was found, of it itself, and of a text without a pattern."""


class Found(NamedTuple):
    """Where a pattern first stands in a text."""

    before: str
    match: str
    after: str


def literal(text: str) -> str:
    r"""The pattern that matches `text` itself.

    >>> literal("x^2 (é)")
    'x\\^2\\ \\(é\\)'
    """
    return "".join(_quoted(char) for char in text)


def require_pattern(pattern: str) -> None:
    """Raise ValueError, with what is wrong, where RE2 does not take it."""
    if len(pattern) > LONGEST_PATTERN:
        raise ValueError(f"the pattern has {len(pattern)} characters: {LONGEST_PATTERN} are looked for at most")
    try:
        compute.match_substring_regex(pa.array(["a"]), pattern=pattern)
    except pa.ArrowInvalid as error:
        said = str(error).removeprefix("Invalid regular expression: ").partition(". Detail:")[0]
        raise ValueError(f"not a regular expression of RE2 (no look-around, no back-references): {said}") from None


def first_found(texts: Sequence[str], pattern: str) -> list[Found]:
    """Where `pattern` first stands in each text; before it the text's opening where it does not."""
    array = pa.array(texts, pa.string())
    starts = compute.find_substring_regex(array, pattern=pattern).to_pylist()
    # The match is what goes when it is replaced by nothing: RE2 tells no length.
    without = compute.replace_substring_regex(array, pattern=pattern, replacement="", max_replacements=1)
    lengths = compute.subtract(compute.binary_length(array), compute.binary_length(without)).to_pylist()
    return [
        opening(text) if start < 0 else _around(text.encode(), start, start + length)
        for text, start, length in zip(texts, starts, lengths, strict=True)
    ]


def opening(text: str) -> Found:
    """How a text begins."""
    return Found("", "", text[:OPENING])


def ending(text: str) -> Found:
    """How a text ends."""
    return Found("", "", text[-OPENING:])


def _around(text: bytes, start: int, end: int) -> Found:
    """Of UTF-8, whose characters have up to four bytes. RE2 can be asked for half of one (by \\C)."""
    before = text[max(0, start - 4 * AROUND) : start].decode(errors="ignore")[-AROUND:]
    match = text[start : min(end, start + 4 * SHOWN)].decode(errors="replace")[:SHOWN]
    return Found(before, match, text[end : end + 4 * AROUND].decode(errors="ignore")[:AROUND])


def _quoted(char: str) -> str:
    if char == "\0":
        return r"\x00"
    return char if ord(char) > 127 or char.isalnum() or char == "_" else f"\\{char}"
