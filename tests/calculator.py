"""A task of several turns: whoever works on it may write an expression, and a calculator answers with its value."""

import math
import re
from collections.abc import Sequence

from groupthink.records import Problem
from groupthink.task.arithmetic import Arithmetic
from groupthink.task.verdict import Verdict

_EXPRESSION = re.compile(r"-?\d{1,9}(?:[-+*]-?\d{1,9})+")
_TERM = re.compile(r"([-+]?)(-?\d+(?:\*-?\d+)*)")


def value_of(expression: str) -> int:
    """Whole numbers, + - and *, products first."""
    terms = _TERM.findall(expression)
    return sum((-1 if sign == "-" else 1) * math.prod(map(int, product.split("*"))) for sign, product in terms)


class Calculator(Arithmetic):
    """Arithmetic whose policy has `uses` of a calculator; it reads the last expression of a turn."""

    name = "calculator"

    def __init__(self, seed: int = 0, uses: int = 1):
        super().__init__(seed)
        self.uses = uses

    def reply(self, problem: Problem, turns: Sequence[str]) -> str | None:
        if len(turns) > 2 * self.uses - 1:
            return None
        found = _EXPRESSION.findall(turns[-1])
        return f"\n{found[-1]}={value_of(found[-1])}\n" if found else "\n?\n"

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        return super().verify(problem, text, lenient=True)
