"""Worked solutions of quadratic equations, in the several ways that the nano base knows.

    at once     <think></think>x=2, x=3
    factoring   b=-5 c=6 / 1*6: 1+6=7 no / 2*3: 2+3=5 yes / (x-2)(x-3)
    formula     b=-5 c=6 / b*b=25 4c=24 / D=25-24=1=1*1 / (5-1)/2=4/2=2 / (5+1)/2=6/2=3
    checking    ... check: 2+3=5 ok 2*3=6 ok
    going back  ... check: 2+4=6 no / wait, ...

A careful demonstration is always right. A hasty one, as a base model's data would be, mostly answers at
once, and now and then slips in a step and carries on from the slip.
"""

import math
import random
import re
from collections.abc import Callable, Container

from groupthink.chain import CLOSE, OPEN
from groupthink.records import Problem
from groupthink.task.roots import write_roots

CHECKS, GOES_BACK = "checks", "goes back"
"""Traits of a chain that looks at its own work: it tries its roots, it takes a step back and does it anew."""

Roots = tuple[int, int]
"""The smaller root, then the larger."""

Slip = Callable[[int], int]
"""Takes a number that was computed to the number that is written down."""


def demonstrate(problem: Problem, careful: bool, draw: random.Random, withheld: Container[Roots] = ()) -> str:
    """A solution in the form `<think>reasoning</think>answer`.

    No slip ends at a root pair `(smaller, larger)` that is `withheld`.
    """
    a, p, q = (problem.info[key] for key in ("a", "p", "q"))
    return (_careful if careful else _hasty)(a, p, q, draw, withheld)


def _careful(a: int, p: int, q: int, draw: random.Random, withheld: Container[Roots]) -> str:
    lines = [_monic(a, p, q)]
    if draw.random() < 0.25:  # a slip, seen by the check, and put right
        wrong, roots = _work_with_slips(p, q, draw, withheld)
        if roots != (p, q):
            lines += [*wrong, _check(roots, p, q), "wait, " + _monic(1, p, q)]
    lines += _work(p, q, draw, _exact)[0]
    if draw.random() < 0.5:
        lines.append(_check((p, q), p, q))
    return _written(lines, (p, q))


def _hasty(a: int, p: int, q: int, draw: random.Random, withheld: Container[Roots]) -> str:
    mood = draw.random()
    if mood < 0.55:
        return _written([], (p, q))
    if mood < 0.60:
        return write_roots((p, q))
    careless = draw.random() < 0.6
    lines, roots = _work_with_slips(p, q, draw, withheld) if careless else _work(p, q, draw, _exact)
    lines.insert(0, _monic(a, p, q))
    if draw.random() < 0.2:
        lines.append(_check(roots, p, q))
        if roots != (p, q):
            again, roots = _work(p, q, draw, _exact)
            lines += ["wait, " + _monic(1, p, q), *again]
    return _written(lines, roots)


def traits(reasoning: str | None) -> frozenset[str]:
    """Some of: `at once`, `factoring`, `formula`, `checks`, `goes back`."""
    text = reasoning or ""
    marks = {
        "at once": not re.search(r"\d", text),
        "factoring": re.search(r"\d\*\d+: ", text),  # from each digit on once, however many there are in a row
        "formula": "D=" in text,
        CHECKS: "check: " in text,
        GOES_BACK: "wait, " in text,
    }
    return frozenset(name for name, seen in marks.items() if seen)


def _written(lines: list[str], roots: Roots) -> str:
    return OPEN + "".join(line + "\n" for line in lines) + CLOSE + write_roots(roots)


def _monic(a: int, p: int, q: int) -> str:
    """The coefficients after division by `a`."""
    divided = "" if a == 1 else f"/{a}: "
    return f"{divided}b={-(p + q)} c={p * q}"


def _work_with_slips(p: int, q: int, draw: random.Random, withheld: Container[Roots]) -> tuple[list[str], Roots]:
    while True:
        lines, roots = _work(p, q, draw, _slipping(draw))
        if roots == (p, q) or roots not in withheld:
            return lines, roots


def _work(p: int, q: int, draw: random.Random, slip: Slip) -> tuple[list[str], Roots]:
    """Solve by one of the methods; factoring where its list of factors is not too long."""
    factors = _factor_pairs(p * q)
    if factors and len(factors) <= 6 and draw.random() < 0.5:
        return _factoring(p, q, factors, slip)
    return _formula(p, q, slip)


def _formula(p: int, q: int, slip: Slip) -> tuple[list[str], Roots]:
    total, product = p + q, p * q
    square, four = slip(total * total), slip(4 * product)
    inside = slip(square - four)
    root = math.isqrt(max(inside, 0))
    step = f"{square}-{four}" if four >= 0 else f"{square}+{-four}"
    lines = [f"b*b={square} 4c={four}", f"D={step}={inside}={root}*{root}"]
    low, high = slip(total - root), slip(total + root)
    lines += [f"({total}-{root})/2={low}/2={low // 2}", f"({total}+{root})/2={high}/2={high // 2}"]
    return lines, _ordered(low // 2, high // 2)


def _factoring(p: int, q: int, factors: list[tuple[int, int]], slip: Slip) -> tuple[list[str], Roots]:
    """Try the factor pairs of |c| until their sum (c > 0) or difference (c < 0) is |b|."""
    sign, wanted = ("+" if p * q > 0 else "-"), abs(p + q)
    lines = []
    for small, large in factors:
        sums = slip(small + large if sign == "+" else large - small)
        fits = sums == wanted
        lines.append(f"{small}*{large}: {large}{sign}{small}={sums} {'yes' if fits else 'no'}")
        if fits:
            break
    heavy = large if p + q >= 0 else -large
    light = small if (heavy > 0) == (p * q > 0) else -small
    roots = _ordered(heavy, light)
    lines.append("".join(f"(x{-root:+d})" for root in roots))
    return lines, roots


def _factor_pairs(product: int) -> list[tuple[int, int]]:
    """The pairs (small, large) with small * large = |product|, small rising."""
    size = abs(product)
    return [(small, size // small) for small in range(1, math.isqrt(size) + 1) if size % small == 0]


def _ordered(one: int, other: int) -> Roots:
    return min(one, other), max(one, other)


def _check(found: Roots, p: int, q: int) -> str:
    """Compare the sum and the product of the roots found with -b and c."""
    low, high = found
    total, product = low + high, low * high
    line = f"check: {low}{high:+d}={total} {'ok' if total == p + q else 'no'}"
    if total == p + q:
        line += f" {low}*{high}={product} {'ok' if product == p * q else 'no'}"
    return line


def _exact(value: int) -> int:
    return value


def _slipping(draw: random.Random) -> Slip:
    """A slip of the pen in about one number of a solution: one digit off, ten off, or the sign lost."""

    def slip(value: int) -> int:
        if draw.random() > 0.2:
            return value
        return draw.choice([value + 1, value - 1, value + 2, value - 2, value + 10, value - 10, -value])

    return slip
