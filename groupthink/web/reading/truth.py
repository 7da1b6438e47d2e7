"""Whether what is written out is true as it stands: who computes with the figures shown comes to the one shown."""

import re
from fractions import Fraction
from math import comb, sqrt

ARITHMETIC = re.compile(r"([0-9.+\-x/(), ]|sqrt|C)+")
"""All that a side that can be computed is made of."""

_TOKEN = re.compile(r"\s*(\d+(?:\.\d+)?|sqrt|[-+x/(),C])")


def holds(equation: str, decimals: int = 0) -> bool:
    """Whether the last figure is what stands before it comes to, rounded: to its decimals, or to so many, of which
    zeros at its end were left out. What is no arithmetic is not doubted.

    >>> holds("0.984 - 0.766 = +0.218"), holds("0.984 - 0.766 = +0.219"), holds("average = 0.5")
    (True, False, True)
    """
    *before, right = equation.split(" = ")
    if not before or not ARITHMETIC.fullmatch(before[-1]) or "..." in before[-1]:
        return True
    left = _Side(before[-1]).value()
    shown = right.strip("()")
    unit = Fraction(1, 10 ** max(decimals, len(shown.partition(".")[2])))
    return abs(left - Fraction(shown)) * 2 <= unit


class _Side:
    """What one side of an equation comes to, exactly but for roots.

    sum    = term (("+" | "-") term)*
    term   = factor (("x" | "/") factor)*
    factor = "-" factor | number | "(" sum ")" | "sqrt(" sum ")" | "C(" sum "," sum ")"
    """

    def __init__(self, text: str):
        self.tokens = [*_TOKEN.findall(text), ""]
        if "".join(self.tokens) != text.replace(" ", ""):
            raise ValueError(f"no arithmetic: {text}")

    def value(self) -> Fraction:
        found = self._sum()
        self._take("")
        return found

    def _sum(self) -> Fraction:
        found = self._term()
        while self.tokens[0] in ("+", "-"):
            found += self._term() if self._next() == "+" else -self._term()
        return found

    def _term(self) -> Fraction:
        found = self._factor()
        while self.tokens[0] in ("x", "/"):
            found = found * self._factor() if self._next() == "x" else found / self._factor()
        return found

    def _factor(self) -> Fraction:
        match token := self._next():
            case "-":
                return -self._factor()
            case "(":
                return self._closed(self._sum())
            case "sqrt":
                self._take("(")
                return self._closed(Fraction(sqrt(self._sum())))
            case "C":
                self._take("(")
                n = self._sum()
                self._take(",")
                return self._closed(Fraction(comb(int(n), int(self._sum()))))
        return Fraction(token)

    def _closed(self, found: Fraction) -> Fraction:
        self._take(")")
        return found

    def _take(self, token: str) -> None:
        if (found := self._next()) != token:
            raise ValueError(f"no arithmetic: {found!r} where {token!r} should be")

    def _next(self) -> str:
        return self.tokens.pop(0)
