"""The rule `exact`: the same text, but for spacing, case, dress and the full stop at its end."""

import re
import unicodedata

from groupthink.task.answer.stated import stated
from groupthink.task.verdict import Verdict

_DRESS = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|textrm)\s{0,4}\{([^{}]*)\}")
_QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'", "−": "-", "–": "-"})
_OUTER = " \t\r\n\"'`*_$.,;:!"


def exact(expected: str, text: str) -> Verdict:
    """Right where the text, or what it marks as its answer, is the expected answer in another dress."""
    wanted, marked = plain(expected), stated(text)
    forms = [plain(text)] if marked is None else [plain(marked), plain(text)]
    extracted = forms[0] or None
    right = bool(wanted) and wanted in forms
    return Verdict(right, extracted, "the same text" if right else f"expected {shown(expected)}")


def plain(text: str) -> str:
    r"""`text` in one dress: compatible characters made one, case folded, spaces single, quotes and markup taken off.

    >>> plain(r" **\text{Saint  Petersburg}**. ")
    'saint petersburg'
    """
    text = _DRESS.sub(r"\1", unicodedata.normalize("NFKC", text).translate(_QUOTES))
    return " ".join(text.casefold().split()).strip(_OUTER)


def shown(expected: str) -> str:
    """The expected answer as a note shows it: not endlessly."""
    expected = " ".join(expected.split())
    return expected if len(expected) <= 80 else expected[:77] + "..."
