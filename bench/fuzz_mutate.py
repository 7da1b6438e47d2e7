"""Inputs that nobody meant to write: real samples, changed in ways that readers of text trip over.

Everything is drawn from a `random.Random`, so that an input is a function of its seed.
"""

import json
import math
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

MARK = "groupthink_canary"
"""A file, and a module, by which one sees that an input was evaluated: no reader may open, import or run either."""

CANARIES = (
    f"__import__('{MARK}')",
    f"open('{MARK}','w')",
    f'exec("import {MARK}")',
    f"[c for c in ().__class__.__base__.__subclasses__()] and __import__('{MARK}')",
    f"import {MARK}\nassert True",
    f"$(touch {MARK})",
    f"`touch {MARK}`",
    f"; touch {MARK}",
    f"\\immediate\\write18{{touch {MARK}}}",
    f"\\input{{{MARK}}}",
    f"{{{{ cycler.__init__.__globals__.os.system('touch {MARK}') }}}}",
    f"{{% set x = namespace.__init__.__globals__ %}}{{% include '{MARK}' %}}",
    f"!!python/object/apply:os.system ['touch {MARK}']",
    "{0.__class__.__init__.__globals__}",
    f"%({MARK})s",
    f"cos\nsystem\n(S'touch {MARK}'\ntR.",
    f"file://{MARK}",
    f"../../{MARK}",
)

ODD_TEXTS = (
    *("", " ", "\0", "\n", "\r\n", "\t", "\x0b", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\u202e", "\u200b"),
    *(
        "\ud800",
        "\udfff",
        "é",
        "e\u0301",
        "ﬁ",
        "ß",
        "İ",
        "١٢٣",
        "²",
        "½",
        "①",
        "𝟜",
        "−",
        "–",
        "±",
        "½",
        "日本",
        "👩‍👩‍👧",
    ),
    *(
        "\\",
        "\\\\",
        '"',
        "'",
        "`",
        "```",
        "$",
        "$$",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        "&",
        "%",
        "#",
        "=",
        "^",
        "_",
    ),
    *("nan", "NaN", "inf", "-Infinity", "null", "None", "true", "undefined", "0x10", "1e999", "-0", "00", "1_000"),
    *("9" * 25, "9" * 400, "9" * 5000, "1e400", "0." + "3" * 40, "1/0", "2**99999", "9^9^9^9", "10!"),
)

ODD_NUMBERS = (
    *(0, -1, 1, 2, 7, -(2**31), 2**31, 2**32, 2**53 + 1, -(2**63), 2**63, 2**64, 10**30, 10**400),
    *(0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, math.inf, -math.inf, math.nan),
)

_NUMBERS, _WORDS = re.compile(r"\d+"), re.compile(r"[^\W\d]+")


def odd_text(draw: random.Random, words: Sequence[str] = ()) -> str:
    """A piece of text: of the target's own words, of signs that are odd everywhere, or one that wants to be run."""
    return draw.choice(draw.choice((words or ODD_TEXTS, ODD_TEXTS, CANARIES)))


def text(draw: random.Random, samples: Sequence[str], words: Sequence[str] = (), longest: int = 30_000) -> str:
    """One of `samples` after a few changes; `words` are those that mean something to its reader."""
    made = draw.choice(samples)
    for _ in range(draw.choice((0, 1, 1, 2, 3, 5, 9))):
        made = draw.choice(_CHANGES)(draw, made, samples, words)[:longest]
    return made


def data(draw: random.Random, sample: bytes) -> bytes:
    """`sample` cut off, or with some of its bytes changed, lost or doubled."""
    made = bytearray(sample)
    for _ in range(draw.choice((1, 1, 2, 4, 20))):
        at = draw.randrange(len(made) + 1)
        match draw.randrange(5):
            case 0:
                del made[at:]
            case 1:
                del made[at : at + draw.choice((1, 2, 8, 100))]
            case 2:
                made[at:at] = made[at : at + draw.choice((1, 8, 100))]
            case 3:
                made[at : at + 1] = draw.randbytes(draw.choice((1, 1, 4)))
            case 4 if at < len(made):
                made[at] ^= 1 << draw.randrange(8)
    return bytes(made)


def value(draw: random.Random, sample: Any, words: Sequence[str] = ()) -> Any:
    """A value of JSON after a few changes of its structure."""
    made = sample
    for _ in range(draw.choice((0, 1, 1, 2, 3, 6))):
        made = _changed(draw, made, words)
    return made


def json_text(draw: random.Random, sample: Any, words: Sequence[str] = ()) -> bytes:
    """The same as bytes, of which one in a few is no JSON any more."""
    try:
        written = json.dumps(value(draw, sample, words)).encode()
    except RecursionError:  # deeper than it can be written
        written = json.dumps(sample).encode().replace(b"[", b"[" * 100_000, 1)
    return data(draw, written) if draw.random() < 0.2 else written


def odd_value(draw: random.Random, words: Sequence[str] = ()) -> Any:
    """A value that belongs nowhere."""
    match draw.randrange(9):
        case 0:
            return None
        case 1:
            return draw.random() < 0.5
        case 2 | 3:
            return draw.choice(ODD_NUMBERS)
        case 4 | 5:
            return odd_text(draw, words)
        case 6:
            return odd_text(draw, words) * draw.choice((2, 50, 3000))
        case 7:
            return draw.choice(([], {}, [[]], [None], {"": None}, [0] * 300, {"a": {"b": {"c": 1}}}))
    return _deep(draw.choice((5, 60, 900, 5000)), draw.random() < 0.5)


def flat(draw: random.Random, sample: dict[str, str], words: Sequence[str] = ()) -> dict[str, str]:
    """Names and texts after a few changes: a query, or headers."""
    made = dict(sample)
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        name = draw.choice([*made, ""])
        match draw.randrange(5):
            case 0:
                made.pop(name, None)
            case 1:
                made[odd_text(draw, words)] = odd_text(draw, words)
            case 2:
                made[odd_text(draw, words)] = made.pop(name, "")
            case 3 | 4:
                made[name] = text(draw, [made.get(name, "")], words, 2_000)
    return made


def _deep(levels: int, lists: bool) -> Any:
    made: Any = 0
    for _ in range(levels):
        made = [made] if lists else {"a": made}
    return made


def _changed(draw: random.Random, found: Any, words: Sequence[str]) -> Any:
    """`found` with one change somewhere in it."""
    if isinstance(found, dict) and found and draw.random() < 0.9:
        key = draw.choice(list(found))
        rest = {name: one for name, one in found.items() if name != key}
        match draw.randrange(8):
            case 0:
                return rest
            case 1:
                return rest | {odd_text(draw, words): found[key]}
            case 2:
                return found | {odd_text(draw, words): odd_value(draw, words)}
            case 3:
                return found | {key: found[draw.choice(list(found))]}
        return found | {key: _changed(draw, found[key], words)}
    if isinstance(found, list) and found and draw.random() < 0.9:
        at = draw.randrange(len(found))
        match draw.randrange(7):
            case 0:
                return found[:at] + found[at + 1 :]
            case 1:
                return found[:at] + [found[at]] * draw.choice((2, 3, 200)) + found[at:]
            case 2:
                return [*found[:at], odd_value(draw, words), *found[at:]]
        return [*found[:at], _changed(draw, found[at], words), *found[at + 1 :]]
    if isinstance(found, str) and draw.random() < 0.5:
        return text(draw, [found], words)
    as_text = str(found) if isinstance(found, int | float | str) else "[]"
    return draw.choice((odd_value(draw, words), [found], {"": found}, as_text))


Change = Callable[[random.Random, str, Sequence[str], Sequence[str]], str]


def _lose(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    at = draw.randrange(len(made) + 1)
    return made[:at] + made[at + draw.choice((1, 1, 3, 20, len(made))) :]


def _add(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    at = draw.randrange(len(made) + 1)
    return made[:at] + odd_text(draw, words) + made[at:]


def _repeat(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    """What makes time grow with more than the length."""
    at = draw.randrange(len(made) + 1)
    piece = made[at : at + draw.choice((1, 1, 2, 5, 30))] if draw.random() < 0.5 else odd_text(draw, words)
    return made[:at] + piece * draw.choice((2, 3, 10, 200, 3000)) + made[at:]


def _splice(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    other = draw.choice(samples)
    return made[: draw.randrange(len(made) + 1)] + other[draw.randrange(len(other) + 1) :]


def _swap(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    """A number, or a word, in another's place."""
    found = list((_NUMBERS if draw.random() < 0.5 else _WORDS).finditer(made))
    if not found:
        return made
    one = draw.choice(found)
    return made[: one.start()] + odd_text(draw, words) + made[one.end() :]


def _nest(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    at, many = draw.randrange(len(made) + 1), draw.choice((2, 30, 45, 400, 2000))
    opened, closed = draw.choice((("(", ")"), ("[", "]"), ("{", "}"), ("\\frac{1}{", "}"), ("<think>", "</think>")))
    return made[:at] + opened * many + made[at : at + 5] + closed * draw.choice((many, many, 0)) + made[at + 5 :]


def _lines(draw: random.Random, made: str, samples: Sequence[str], words: Sequence[str]) -> str:
    found = made.split("\n")
    draw.shuffle(found)
    return "\n".join(found)


_CHANGES: tuple[Change, ...] = (_lose, _lose, _add, _add, _add, _repeat, _splice, _swap, _swap, _nest, _lines)
