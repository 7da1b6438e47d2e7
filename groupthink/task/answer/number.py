r"""The rule `number`: the same number, in whatever dress.

    72    72.0    1,234.50    $18    18 dollars    -3/4    \frac{3}{4}    1 1/2    1.2 \times 10^3    50%    #### 42

Numbers are read by a small grammar into exact fractions; nothing is evaluated.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from groupthink.task.answer.exact import shown
from groupthink.task.answer.stated import stated
from groupthink.task.verdict import Verdict

MAX_DIGITS = 200  # of one number
MAX_EXPONENT = 300  # of ten

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_PLAIN = rf"(?:{_DIGITS}(?:\.\d+)?|\.\d+)"
_NUMBER = re.compile(
    rf"""(?P<sign>[-+])?\s{{0,2}}[$€£¥₹]?\s{{0,2}}(?P<minus>-)?
    (?:
      (?:(?P<whole>{_DIGITS})\s{{0,2}})?\\frac\{{(?P<over>{_PLAIN})\}}\{{(?P<under>{_PLAIN})\}}
    | (?P<mixed>{_DIGITS})\s(?P<top>\d+)/(?P<bottom>\d+)
    | (?P<above>{_PLAIN})\s?/\s?(?P<below>{_PLAIN})
    | (?P<number>{_PLAIN})(?:\s?[*x]\s?10\^\{{?(?P<ten>[-+]?\d+)\}}?|[eE](?P<power>[-+]?\d+)(?![\w]))?
    )
    (?P<percent>\s{{0,2}}(?:%|per\s?cents?\b))?""",
    re.VERBOSE,
)
_PLAINER = [
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\\[!,;: ]|[\u00a0\u2009\u202f]|\{,\}", "\u00a0"),  # thin spaces, which may stand between thousands
        (r"(?<=\d)\u00a0(?=\d{3}(?!\d))", ","),
        (r"\u00a0", " "),
        (r",,", ","),
        (r"\\[dtc]frac", r"\\frac"),
        (r"\\frac\s?(\d)\s?(\d)(?!\d)", r"\\frac{\1}{\2}"),
        (r"\\(?:times|cdot)\s?|[×·]", "*"),
        (r"\\([%$])", r"\1"),
        (r"[−–]", "-"),
        (r"\*\*|\$(?!\s?-?[\d.])|__|`", " "),
    )
]
_JOINED = re.compile(r"\s*(?:[,;/&|]|or|and|,\s?or|,\s?and)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Number:
    """Number(value=Fraction(1, 2), percent=False, decimals=1, written="0.5")"""

    value: Fraction  # without the percent sign
    percent: bool
    decimals: int  # digits after the point
    written: str


def number(expected: str, text: str) -> Verdict:
    """Right where both state the same number.

    A text without a marked answer states its last number, unless that is one of several offered (`41 or 42`). `50%` is
    the same as 0.5, and as the bare 50 of a question that asked for percent. A decimal fraction of six places or more
    is also right where it is the expected number rounded to these.
    """
    wanted = read_number(expected)
    if wanted is None:
        return Verdict(False, None, f"the expected answer is no number: {shown(expected)}")
    found = read_number(text)
    if found is None:
        return Verdict(False, None, "no number could be read, or several were offered")
    right = same(wanted, found)
    return Verdict(right, found.written, "the right number" if right else f"expected {wanted.written}")


def read_number(text: str) -> Number | None:
    """The number that a text states as its answer, or None."""
    marked = stated(text)
    text = plainer(text if marked is None else marked)
    if "=" in text:
        after = text.rpartition("=")[2]
        text = after if _NUMBER.search(after) else text
    found = list(_NUMBER.finditer(_with_apart_signs(text)))
    if not found or _offered(text, found):
        return None
    return _read(found[-1])


def whole_number(text: str) -> Number | None:
    """The number that a text is, and is nothing beside; or None."""
    text = plainer(text).strip().removesuffix(".").strip()
    match = _NUMBER.fullmatch(text)
    return _read(match) if match else None


def same(wanted: Number, found: Number) -> bool:
    """Whether two numbers are equal; see `number` for percent and for rounding."""
    one, other = wanted.value, found.value
    if wanted.percent == found.percent:
        return _equal(one, found, other)
    as_shares = (one / 100 if wanted.percent else one, other / 100 if found.percent else other)
    return one == other or _equal(as_shares[0], found, as_shares[1])


def plainer(text: str) -> str:
    """Numbers of a text in one dress: no thin spaces, `\frac{a}{b}`, plain signs."""
    for pattern, plain in _PLAINER:
        text = pattern.sub(plain, text)
    return text


def _equal(wanted: Fraction, found: Number, value: Fraction) -> bool:
    if wanted == value:
        return True
    return found.decimals >= 6 and value != 0 and round(wanted, found.decimals) == value


def _with_apart_signs(text: str) -> str:
    """The same length; the minus of `48-24` and of `2020-21` is no sign of the second number."""
    return re.sub(r"(?<=[\w)])-(?=\d)", " ", text)


def _offered(text: str, found: Sequence[re.Match[str]]) -> bool:
    """Whether the last number is one of several that the text offers."""
    if len(found) < 2:
        return False
    before, last = found[-2], found[-1]
    if not _JOINED.fullmatch(text, before.end(), last.start()):
        return False
    one, other = _read(before), _read(last)
    return one is None or other is None or one.value != other.value


def _read(match: re.Match[str]) -> Number | None:
    part = match.groupdict()
    if len(match.group()) > MAX_DIGITS:
        return None
    power = int(part["ten"] or part["power"] or 0)
    if abs(power) > MAX_EXPONENT:
        return None
    try:
        if part["over"]:
            value = _fraction(part["whole"] or "0") + _fraction(part["over"]) / _fraction(part["under"])
        elif part["mixed"]:
            value = _fraction(part["mixed"]) + Fraction(int(part["top"]), int(part["bottom"]))
        elif part["above"]:
            value = _fraction(part["above"]) / _fraction(part["below"])
        else:
            value = _fraction(part["number"]) * Fraction(10) ** power
    except ZeroDivisionError:
        return None
    if (part["sign"] == "-") != (part["minus"] == "-"):
        value = -value
    decimals = len((part["number"] or "").partition(".")[2])
    return Number(value, bool(part["percent"]), decimals, " ".join(match.group().split()))


def _fraction(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))
