"""Language consistency: does the chain stay in one script? DeepSeek-R1's reward against mixing languages.

R1 (arXiv 2501.12948, section 2.3.2) rewards the share of words of the target language in the reasoning. What language a
word is of cannot be told for sure, what script it is written in can: this is the share of words in the script. It
tells English from Chinese and from Russian; English from French it does not.
"""

import unicodedata
from functools import lru_cache

SCRIPTS: dict[str, frozenset[str]] = {
    "latin": frozenset({"LATIN"}),
    "cyrillic": frozenset({"CYRILLIC"}),
    "greek": frozenset({"GREEK"}),
    "arabic": frozenset({"ARABIC"}),
    "hebrew": frozenset({"HEBREW"}),
    "devanagari": frozenset({"DEVANAGARI"}),
    "thai": frozenset({"THAI"}),
    "chinese": frozenset({"CJK"}),
    "japanese": frozenset({"CJK", "HIRAGANA", "KATAKANA"}),
    "korean": frozenset({"HANGUL"}),
}
"""What Unicode calls the letters of each."""

_UNSPACED = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI"})


def consistency(reasoning: str | None, script: str) -> float | None:
    """The share of words that are written in `script` (a name of SCRIPTS); None where there are no words.

    A word is a run of two letters or more of one script, so that x, y and π are none; of scripts that are written
    without spaces each letter is one.

    >>> consistency("so x is 3, 所以 done", "latin")
    0.6
    """
    wanted, words, inside = SCRIPTS[script], 0, 0
    for kind, length in _runs(reasoning or ""):
        count = length if kind in _UNSPACED else int(length > 1)
        words += count
        inside += count if kind in wanted else 0
    return inside / words if words else None


def _runs(text: str) -> list[tuple[str, int]]:
    """Runs of letters of one script: the script, and how many."""
    runs: list[tuple[str, int]] = []
    before = None
    for sign in text:
        kind = before if unicodedata.combining(sign) or unicodedata.category(sign) == "Mc" else _script(sign)
        if kind is not None and kind == before:
            runs[-1] = (kind, runs[-1][1] + 1)
        elif kind is not None:
            runs.append((kind, 1))
        before = kind
    return runs


@lru_cache(maxsize=10_000)
def _script(sign: str) -> str | None:
    if not sign.isalpha():
        return None
    name = unicodedata.name(sign, "")
    return name.partition(" ")[0].partition("-")[0] or None
