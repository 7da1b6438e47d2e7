r"""Answers as models write them, in the one dress that math-verify reads: bare LaTeX.

x=2, x=3        2 or 3        $\{2, 3\}$        3 1/2        sqrt(2)/2        50 \%        90 degrees        5\text{ cm}
"""

import re
from itertools import pairwise

from groupthink.task.answer.stated import answer_of

_MATHS = re.compile(r"\$\$([^$]+)\$\$|(?<!\\)\$([^$]+?)(?<!\\)\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.DOTALL)
_CONNECTING = re.compile(r"[,;]? ?(?:or|and)?")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_UNITS = (
    "degrees?|deg|centimet(?:er|re)s?|millimet(?:er|re)s?|kilomet(?:er|re)s?|met(?:er|re)s?|inch(?:es)?|feet|foot|ft|"
    "miles?|yards?|cm|mm|km|kg|grams?|pounds?|lbs?|ounces?|lit(?:er|re)s?|seconds?|minutes?|hours?|hrs?|days?|weeks?|"
    "months?|years?|dollars?|cents?|euros?|units?|square|sq|cubic|mph|points?|people|students?|apples?|percent|ways?|"
    "radians?|sec|min|in|m|g|per|s|h"
)
_UNIT_WORDS = re.compile(
    rf"(?<=[\d}})\]])\s*(?:(?:\\?\s|^|~|/)?(?:{_UNITS})(?![A-Za-z])\.?(?:\s?\^\s?\{{?[23]\}}?)?)+\s*$", re.IGNORECASE
)
_UNIT_TEXT = re.compile(
    r"(?<=[\d\w})\]!])\s*(?:\\[,; !]|\s|~|\\quad)*"
    r"\\(?:text|mathrm|mbox|textrm|textit|rm)\s?\{\s*([A-Za-z./ °]+[23]?)\s*\}"
    r"(?:\s?\^\s?\{?[23]\}?)?\s*$"
)
_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox|textrm|boxed)\s?\{([^{}]*)\}")
_SIGNS = str.maketrans({"−": "-", "–": "-", "\u00a0": " ", "\u2009": " ", "\u202f": " "})
_SYMBOLS = {
    "π": "\\pi ",
    "∞": "\\infty ",
    "×": "\\times ",
    "·": "\\cdot ",
    "⋅": "\\cdot ",
    "÷": "/",
    "≤": "\\le ",
    "≥": "\\ge ",
    "∪": "\\cup ",
    "∩": "\\cap ",
    "∈": "\\in ",
    "±": "\\pm ",
    "°": "^\\circ",
    "²": "^2",
    "³": "^3",
    "∅": "\\emptyset",
    "½": "\\frac{1}{2}",
    "¼": "\\frac{1}{4}",
    "¾": "\\frac{3}{4}",
}
_REWRITTEN = [
    (re.compile(pattern), new)
    for pattern, new in (
        (r"(?<=\d)(?:,\\!|\{,\})(?=\d{3}(?!\d))", ""),  # thousands
        (r"\\(?:left|right|bigl|bigr|Bigl|Bigr|big|Big|displaystyle|limits)(?![A-Za-z])\.?", ""),
        (r"(?<!\\)\\[,;:! ]|\\qquad|\\quad|~", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s?(\d)\s?(\d)", r"\\frac{\1}{\2}"),
        (r"\\frac\s?(\d)\s?\{", r"\\frac{\1}{"),
        (r"\\frac\s?(\{[^{}]*\})\s?(\d)", r"\\frac\1{\2}"),
        (r"\^\s?\{?\s?\\circ\s?\}?|\\degrees?(?![A-Za-z])", ""),
        (r"√\(([^()]*)\)|√\{([^{}]*)\}", r"\\sqrt{\1\2}"),
        (r"√\s?(\d+|[a-z])", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt\(([^()]*)\)", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])sqrt\s?(\d+)", r"\\sqrt{\1}"),
        (r"\\sqrt\s?(\d|[a-z])", r"\\sqrt{\1}"),
        (r"(?<![\\A-Za-z])pi(?![A-Za-z])", r"\\pi "),
        (r"(?<![\\A-Za-z])(?:infinity|infty|inf|oo)(?![A-Za-z])", r"\\infty "),
        (r"\*\*(?=[\d({-])", "^"),
        (r"\^\((-?\w+)\)", r"^{\1}"),
        (r"\^(-?\d\d+|-\d)", r"^{\1}"),
        (r"\*", r" \\cdot "),
        (r"(?<=[\d)}])\s?i(?![A-Za-z])", r" \\cdot i"),  # math-verify sees the imaginary unit in it then
        (r"<=", r"\\le "),
        (r">=", r"\\ge "),
        (r"\+/-|\+-", r"\\pm "),
        (r"(?<=[\])}])\s+[Uu]\s+(?=[\[(\\{])|(?<=[\])}])U(?=[\[(\\{])", r" \\cup "),
        (r"\\\$|(?<![A-Za-z\\])[$€£¥](?=\s?[\d.])", ""),
        (r"(?<![\d,.(\[{])(\d{1,3})((?:,\d{3})+)(?![\d,])", lambda match: match.group().replace(",", "")),
        (r"(?<![\w.}])(\d+)\s+(\d+)/(\d+)(?!\w)", r"(\1+\\frac{\2}{\3})"),
        (r"(?<![\w.}])(\d+)\s?\\frac\{(\d+)\}\{(\d+)\}", r"(\1+\\frac{\2}{\3})"),
        (r"(?<=\d)\s?(?:\\%|%|\s(?:percent|per cent)(?![A-Za-z]))", r"\\%"),
        (r"(?<=[\w})\]])\s*(?:,?\s*\b(?:or|and)\b|;)\s*(?=[-\w\\({\[])", ", "),
    )
]
_LABEL = re.compile(r"\s*(?:[A-Za-z](?:_\{?\d\}?)?|[a-z]\([a-z]\)|\\theta|\\alpha|\\angle\s?[A-Z]+)\s*(?:=|\\in\b)\s*")
_LABELLED_LIST = re.compile(r"(?:^|(?<=,))\s*([a-z])(?:_\{?\d\}?)?\s*=\s*")


def candidate(text: str) -> str:
    """The part of a text that is its answer: as `answer_of`, and within a sentence its last formula."""
    found = answer_of(text).strip().strip("*`").strip()
    formulas = list(_MATHS.finditer(found))
    if not formulas:
        return found
    connected = [_inner(formulas[-1])]
    for before, after in reversed(list(pairwise(formulas))):
        if not _CONNECTING.fullmatch(" ".join(found[before.end() : after.start()].split())):
            break
        connected.insert(0, _inner(before))
    outside = found[: formulas[0].start()] + found[formulas[-1].end() :]
    if len(connected) == len(formulas) == 1 and not _WORD.search(outside):
        return found[: formulas[0].start()] + connected[0] + found[formulas[0].end() :]
    return ", ".join(connected)


def dressed(answer: str) -> str:
    """`answer` as bare LaTeX without units, spacing and other names for the same sign."""
    answer = answer.translate(_SIGNS).strip().rstrip(".").strip()
    for sign, name in _SYMBOLS.items():
        answer = answer.replace(sign, name)
    for pattern, new in _REWRITTEN[:1]:
        answer = pattern.sub(new, answer)
    answer = _UNIT_TEXT.sub("", answer)
    answer = _TEXT.sub(r" \1 ", answer)
    for pattern, new in _REWRITTEN[1:]:
        answer = pattern.sub(new, answer)
    answer = _UNIT_WORDS.sub("", answer).strip()
    if answer.startswith("{") and answer.endswith("}"):
        answer = "\\" + answer[:-1] + "\\}"
    labels = set(_LABELLED_LIST.findall(answer))
    if len(labels) == 1:  # x=2, x=3
        answer = _LABELLED_LIST.sub(" ", answer)
    return " ".join(answer.split())


def unlabelled(expected: str, found: str) -> tuple[str, str]:
    """Two dressed answers without `x =`, `f(x) =` or x in before them, where nothing else is equated in either."""
    one, other = _unlabelled(expected), _unlabelled(found)
    return (expected, found) if "=" in one or "=" in other else (one, other)


def _unlabelled(answer: str) -> str:
    match = _LABEL.match(answer)
    return answer[match.end() :] if match else answer


def compact(answer: str) -> str:
    """A form in which answers are compared letter by letter: no spaces, no braces that hold one sign alone."""
    answer = re.sub(r"\\(pi|infty|le|ge|cup|cap|in|pm|cdot|times)\s+", r"\\\1 ", answer)
    answer = re.sub(r"([_^])\{(\w)\}", r"\1\2", answer)
    return re.sub(r"\s+(?![A-Za-z])|(?<![A-Za-z])\s+", "", answer)


def _inner(match: re.Match[str]) -> str:
    return next(filter(None, match.groups())).strip()
