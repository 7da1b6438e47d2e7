"""Reads sets of roots such as `x=2, x=3` out of text that a model wrote.

The text is untrusted: it is matched against a small grammar and never evaluated.

    roots   = root (("," | ";" | "or" | "and") root)*
    root    = ["x" ["_"] [digit] "="] value
    value   = number | number "±" number | "(" number ["±" number] ")" "/" number
    number  = ["-" | "+"] digits ["." digits | "/" digits]
"""

import re
from fractions import Fraction

MAX_CHARS = 200  # an answer longer than this is not one: refusing it bounds the time spent on it

_DIGITS = r"\d{1,9}"
# Blanks are possessive (*+): read once. Else a blank before a number could be read in two ways, and n of them in 2**n.
_NUMBER = rf"[-+]?\s*+{_DIGITS}(?:\.{_DIGITS}|\s*+/\s*+{_DIGITS})?"
_VALUE = rf"(?:\(\s*+{_NUMBER}(?:\s*+±\s*+{_NUMBER})?\s*+\)\s*+/\s*+{_NUMBER}|{_NUMBER}(?:\s*+±\s*+{_NUMBER})?)"
_LABEL = r"(?:x(?:\s*+_)?(?:\s*+\d)?\s*+=\s*+)"
_BETWEEN = r"\s*+(?:,|;|\bor\b|\band\b)\s*+"
_ROOTS = re.compile(rf"{_LABEL}?{_VALUE}(?:{_BETWEEN}{_LABEL}?{_VALUE})*")
_LABELLED_ROOTS = re.compile(rf"{_LABEL}{_VALUE}(?:{_BETWEEN}{_LABEL}?{_VALUE})*")
_ROOT = re.compile(rf"{_LABEL}?({_VALUE})")
_NUMBER_RE = re.compile(_NUMBER)


def parse_roots(text: str) -> frozenset[Fraction] | None:
    """The set of roots that `text` states, or None where it is not exactly such a statement.

    >>> sorted(parse_roots("x = 3, x = 2"))
    [Fraction(2, 1), Fraction(3, 1)]
    >>> parse_roots("x=2, x=3, I think") is None
    True
    """
    if len(text) > MAX_CHARS:
        return None
    text = _plain(text).strip().rstrip(".").strip()
    return _read(text) if _ROOTS.fullmatch(text) else None


def last_roots(text: str) -> frozenset[Fraction] | None:
    """The last roots stated anywhere in `text` (`x=...`), however badly the rest is formed.

    Only the last 2,000 characters are searched.
    """
    found = None
    for match in _LABELLED_ROOTS.finditer(_plain(text[-2_000:])):
        found = _read(match.group()) or found
    return found


def write_roots(roots) -> str:
    """The roots in rising order, as `parse_roots` reads them: `x=2, x=3`."""
    return ", ".join(f"x={root}" for root in sorted(set(roots)))


def _plain(text: str) -> str:
    return text.replace("−", "-").replace("–", "-")


def _read(text: str) -> frozenset[Fraction] | None:
    roots: set[Fraction] = set()
    try:
        for match in _ROOT.finditer(text):
            roots |= _value(match.group(1))
    except ZeroDivisionError:
        return None
    return frozenset(roots)


def _value(text: str) -> set[Fraction]:
    inner, divisor = text, Fraction(1)
    if text.startswith("("):
        inner, _, below = text[1:].rpartition(")")
        divisor = _number(below.replace("/", "", 1))
    centre, *spread = [_number(part) for part in _split_plus_minus(inner)]
    offsets = {spread[0], -spread[0]} if spread else {Fraction(0)}
    return {(centre + offset) / divisor for offset in offsets}


def _split_plus_minus(text: str) -> list[str]:
    return text.split("±")


def _number(text: str) -> Fraction:
    return Fraction(re.sub(r"\s+", "", text))
