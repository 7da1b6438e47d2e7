"""Arithmetic on whole numbers, "Compute 12+7-30", worked one step a line: a second family for the nano base.

sums         Compute 12+7-30     12+7=19 / 19-30=-11
halves       Compute (7-33)/2    (7-33)/2=-26/2=-13
products     Compute 17*-4       17*-4=-68
differences  Compute 1369-1368   1369-1368=1
"""

import hashlib
import random
import re
from dataclasses import dataclass

from groupthink.chain import CLOSE, OPEN
from groupthink.records import Problem
from groupthink.task.verdict import Verdict

_NUMBER = re.compile(r"-?\d{1,9}")


@dataclass(frozen=True, slots=True)
class Expression:
    """Expression(text="(7-33)/2", lines=("(7-33)/2=-26/2=-13",), value=-13)"""

    text: str
    lines: tuple[str, ...]  # how it is worked
    value: int


class Arithmetic:
    """Problem i is a function of (seed, i). About a fifth of all expressions are held out, by a hash of their text."""

    name = "arithmetic"

    def __init__(self, seed: int = 0):
        self.seed = seed

    def sample(self, step: int, n: int) -> list[Problem]:
        """The `n` training problems of a step."""
        return [self._problem("train", index) for index in range(step * n, (step + 1) * n)]

    def held_out(self, n: int) -> list[Problem]:
        """`n` problems that training never sees."""
        return [self._problem("held_out", index) for index in range(n)]

    def demonstrate(self, problem: Problem, careful: bool) -> str:
        """Every step on a line; a hasty one mostly gives the result at once."""
        draw = random.Random(f"{self.seed}/{problem.id}/worked")
        worked = careful or draw.random() < 0.4
        lines = problem.info["lines"] if worked else ()
        return f"{OPEN}{''.join(line + chr(10) for line in lines)}{CLOSE}{problem.answer}"

    def verify(self, problem: Problem, text: str, lenient: bool = False) -> Verdict:
        """Compare whole numbers; `lenient` takes the last one found anywhere in the text."""
        text = text[-2_000:].replace("−", "-").strip()
        found = _NUMBER.findall(text) if lenient or _NUMBER.fullmatch(text) else []
        if not found:
            return Verdict(False, None, "no number could be read")
        right = str(int(found[-1])) == problem.answer
        return Verdict(right, found[-1], "right" if right else f"the value is {problem.answer}")

    def traits(self, reasoning: str | None) -> frozenset[str]:
        """None has a name here."""
        return frozenset()

    def _problem(self, split: str, index: int) -> Problem:
        draw = random.Random(f"{self.seed}/{self.name}/{split}/{index}")
        while True:
            expression = draw.choice(KINDS)(draw)
            if is_held_out(expression.text) == (split == "held_out"):
                break
        return Problem(
            id=f"{self.name}/{split}/{self.seed}/{index}",
            task=self.name,
            prompt=f"Compute {expression.text}",
            answer=str(expression.value),
            info={"lines": expression.lines},
        )


def is_held_out(text: str) -> bool:
    """Whether an expression is kept from training: in every run of everyone the same ones."""
    return hashlib.sha256(text.encode()).digest()[0] % 5 == 0


def _sums(draw: random.Random) -> Expression:
    terms = [draw.randint(-99, 99) for _ in range(draw.randint(2, 4))]
    lines, total = [], terms[0]
    for term in terms[1:]:
        lines.append(f"{total}{term:+d}={total + term}")
        total += term
    return Expression("".join(f"{term:+d}" for term in terms).removeprefix("+"), tuple(lines), total)


def _halves(draw: random.Random) -> Expression:
    low, high = draw.randint(-30, 30), draw.randint(-30, 30)
    total, spread = low + high, high - low
    text = f"({total}{-spread:+d})/2" if draw.random() < 0.5 else f"({total}{spread:+d})/2"
    value = low if text.startswith(f"({total}{-spread:+d}") else high
    return Expression(text, (f"{text}={2 * value}/2={value}",), value)


def _products(draw: random.Random) -> Expression:
    left, right = draw.randint(-30, 30), draw.randint(-30, 30)
    text = f"{left}*{right}"
    return Expression(text, (f"{text}={left * right}",), left * right)


def _differences(draw: random.Random) -> Expression:
    left, right = draw.randint(0, 2000), draw.randint(-2000, 2000)
    if draw.random() < 0.5:
        right = left + draw.randint(-200, 200)
    text = f"{left}{-right:+d}"
    return Expression(text, (f"{text}={left - right}",), left - right)


KINDS = (_sums, _halves, _products, _differences)
