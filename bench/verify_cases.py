r"""Answers as GSM8K (`... #### 42`) and MATH (the content of `\boxed{}`) publish them, and how else they are written.

Every case has ten rewritings that mean the same and one answer that is wrong. A case is a function of its index alone.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

NAMES = ("Evelyn", "east", "Tuesday", "even", "ellipse", "Maine", "odd", "parabola", "circle", "Navin", "red", "Friday")


@dataclass(frozen=True, slots=True)
class Case:
    """Case("math", "fraction", r"\frac{1}{2}", ("0.5", "1/2", ...), "2")"""

    rule: str
    kind: str
    gold: str
    rewritings: tuple[str, ...]  # ten
    wrong: str


def cases(n: int) -> Iterator[Case]:
    """`n` cases: two in five of GSM8K's format, the others of MATH's, its kinds in turn."""
    for i in range(n):
        draw = random.Random(f"verify/{i}")
        make = gsm8k if i % 5 < 2 else KINDS[(i // 5 * 3 + i % 5 - 2) % len(KINDS)]
        case = make(draw)
        assert len(case.rewritings) == 10, case
        yield case


def gsm8k(draw: random.Random) -> Case:
    value = draw.choice([draw.randint(2, 99), draw.randint(100, 999), draw.randint(1000, 2_000_000)])
    half = value * 2
    gold = f"They have {half} / 2 = <<{half}/2={value}>>{value} in all.\n#### {value:,}"
    rewritings = (
        f"{value}",
        f"{value:,}",
        f"{value}.0",
        f"${value:,}.00",
        f"The answer is {value}.",
        f"\\boxed{{{value}}}",
        f"<answer>{value:,} apples</answer>",
        f"{half} / 2 = {value}\n#### {value}",
        f"So in the end they have **{value:,}** clips altogether.",
        f"$\\frac{{{half}}}{{2}}$",
    )
    wrong = [f"{value + 1}", f"{value}0", f"-{value}", f"{value}.5", f"{value - 1} or {value}", f"#### {value * 2}"]
    return Case("number", "gsm8k", gold, rewritings, draw.choice(wrong))


def integer(draw: random.Random) -> Case:
    n = draw.choice((-1, 1)) * draw.randint(2, 5000)
    return _math(
        "integer",
        draw,
        f"{n}",
        f"x = {n}",
        f"$x={n}$",
        f"{n}.0",
        f"\\frac{{{2 * n}}}{{2}}",
        f"So the answer is ${n}$.",
        f"{n - 7} + 7",
        wrong=(f"{n + 1}", f"{-n}", f"{n}, {n + 1}", f"{n}.1"),
    )


def fraction(draw: random.Random) -> Case:
    below = draw.choice((2, 4, 5, 8, 10, 20, 25))
    above = draw.choice([a for a in range(1, 60) if math.gcd(a, below) == 1])
    sign = draw.choice(("", "-"))
    return _math(
        "fraction",
        draw,
        f"{sign}\\frac{{{above}}}{{{below}}}",
        f"{sign}{above}/{below}",
        f"{sign}{above / below}",
        f"{sign}\\dfrac{{{above}}}{{{below}}}",
        f"{sign}\\frac{{{above * 3}}}{{{below * 3}}}",
        f"x = {sign}{above}/{below}",
        f"$\\tfrac{{{sign}{above}}}{{{below}}}$",
        wrong=(
            f"{sign}{above + 1}/{below}",
            f"{sign}\\frac{{{below}}}{{{above * 7}}}",
            f"{sign}{above / below + 0.01}",
        ),
    )


def root(draw: random.Random) -> Case:
    a, b = draw.randint(2, 12), draw.choice((2, 3, 5, 6, 7, 11, 13))
    return _math(
        "root",
        draw,
        f"{a}\\sqrt{{{b}}}",
        f"{a}√{b}",
        f"{a}*sqrt({b})",
        f"\\sqrt{{{a * a * b}}}",
        f"{a} \\cdot \\sqrt{{{b}}}",
        f"\\frac{{{a * b}}}{{\\sqrt{{{b}}}}}",
        f"x={a}\\sqrt {b}" if b < 10 else f"x={a}\\sqrt{{{b}}}",
        wrong=(f"{a + 1}\\sqrt{{{b}}}", f"\\sqrt{{{a * b}}}", f"{b}\\sqrt{{{a}}}+1", f"{a}{b}"),
    )


def pi(draw: random.Random) -> Case:
    a, b = draw.choice(((2, 3), (3, 4), (5, 6), (7, 4), (5, 3), (1, 6), (9, 2), (4, 7)))
    return _math(
        "pi",
        draw,
        f"\\frac{{{a}\\pi}}{{{b}}}",
        f"{a}π/{b}",
        f"{a}pi/{b}",
        f"\\frac{{{a}}}{{{b}}}\\pi",
        f"\\dfrac{{{a * 2} \\pi}}{{{b * 2}}}",
        f"{a}*pi/{b} radians",
        f"\\theta = \\frac{{{a}\\pi}}{{{b}}}",
        wrong=(f"\\frac{{{a}}}{{{b}}}", f"\\frac{{{b}\\pi}}{{{a}}}", f"{a}\\pi", f"{a + b}pi/{b}"),
    )


def interval(draw: random.Random) -> Case:
    a = draw.randint(-9, 5)
    b, c = a + draw.randint(1, 6), a + draw.randint(7, 12)
    left, right = draw.choice("[("), draw.choice("])")
    return _math(
        "interval",
        draw,
        f"{left}{a},{b}{right}\\cup({c},\\infty)",
        f"{left}{a}, {b}{right} U ({c}, oo)",
        f"{left}{a},{b}{right} ∪ ({c},∞)",
        f"x \\in {left}{a},{b}{right}\\cup({c},\\infty)",
        f"\\left{left}{a}, {b}\\right{right} \\cup \\left({c}, \\infty\\right)",
        f"({c},\\infty)\\cup{left}{a},{b}{right}",
        f"{left}{a}.0,{b}{right}\\cup({c},+\\infty)",
        wrong=(
            f"{left}{a},{b + 1}{right}\\cup({c},\\infty)",
            f"{left}{a},{b}{')' if right == ']' else ']'}\\cup({c},\\infty)",
            f"{left}{a},{b}{right}",
        ),
    )


def roots(draw: random.Random) -> Case:
    a, b = sorted(draw.sample(range(-15, 16), 2))
    return _math(
        "set",
        draw,
        f"{a},{b}",
        f"x={a}, x={b}",
        f"x = {b} or x = {a}",
        f"{b} and {a}",
        f"\\{{{b}, {a}\\}}",
        f"$x={a}$ or $x={b}$",
        f"{{{a}, {b}}}",
        wrong=(f"{a}", f"{a}, {b + 1}", f"x={a}, x={b}, x={b + 3}", f"{a + b}"),
    )


def point(draw: random.Random) -> Case:
    a, b, c = draw.randint(-9, 9), draw.randint(-9, 9), draw.randint(1, 9)
    return _math(
        "tuple",
        draw,
        f"\\left({a}, {b}, \\frac{{{c}}}{{2}}\\right)",
        f"({a},{b},{c}/2)",
        f"({a}, {b}, {c / 2})",
        f"\\left( {a}, {b}, \\dfrac{{{c}}}{{2}} \\right)",
        f"({a}, {b}, \\frac {c} 2)",
        f"$({a}, {b}, \\frac{c}2)$",
        f"(x, y, z) = ({a}, {b}, {c}/2)",
        wrong=(f"({a},{b},{c})", f"({a},{b + 1},{c}/2)", f"({a},{b})", f"({a - 1}, {b}, {c / 2})"),
    )


def degrees(draw: random.Random) -> Case:
    n = draw.randint(3, 359)
    return _math(
        "degrees",
        draw,
        f"{n}^\\circ",
        f"{n}",
        f"{n}°",
        f"{n} degrees",
        f"{n}^{{\\circ}}",
        f"{n}\\text{{ degrees}}",
        f"\\angle A = {n}^\\circ",
        wrong=(f"{n + 1}^\\circ", f"{180 + n}°", f"{n}.5 degrees", f"\\frac{{{n}}}{{7}}"),
    )


def percent(draw: random.Random) -> Case:
    n = draw.randint(2, 99)
    return _math(
        "percent",
        draw,
        f"{n}\\%",
        f"{n}%",
        f"{n} percent",
        f"{n / 100}",
        f"\\frac{{{n}}}{{100}}",
        f"{n}.0\\%",
        f"{n}",
        wrong=(f"{n + 1}\\%", f"{n / 1000}", f"{n * 10}%", f"{n}.7%"),
    )


def text(draw: random.Random) -> Case:
    name, other = draw.sample(NAMES, 2)
    return _math(
        "text",
        draw,
        f"\\text{{{name}}}",
        name,
        name.upper(),
        f"**{name}**",
        f"\\textbf{{{name}}}",
        f"\\mathrm{{{name}}}",
        f"{name}.",
        wrong=(other, f"\\text{{{other}}}", f"{name} or {other}", f"not {name}"),
    )


def expression(draw: random.Random) -> Case:
    a, b = draw.randint(1, 9), draw.randint(1, 9)
    return _math(
        "expression",
        draw,
        f"x^2+{a + b}x+{a * b}",
        f"(x+{a})(x+{b})",
        f"x^{{2}} + {a + b} x + {a * b}",
        f"{a * b} + {a + b}x + x^2",
        f"x**2 + {a + b}*x + {a * b}",
        f"x(x+{a + b})+{a * b}",
        f"x² + {a + b}x + {a * b}",
        wrong=(f"x^2+{a + b}x-{a * b}", f"(x-{a})(x-{b})", f"x^2+{a + b}x", f"x^3+{a + b}x+{a * b}"),
    )


def complex_number(draw: random.Random) -> Case:
    a, b = draw.randint(1, 9), draw.randint(2, 9)
    return _math(
        "complex",
        draw,
        f"{a}+{b}i",
        f"{b}i + {a}",
        f"{a} + {b} i",
        f"z = {a}+{b}i",
        f"{a}+i\\cdot {b}",
        f"\\frac{{{2 * a}+{2 * b}i}}{{2}}",
        f"$({a} + {b}i)$",
        wrong=(f"{a}-{b}i", f"{a}+{b}", f"{b + 1}+{a}i", f"{b}i"),
    )


def thousands(draw: random.Random) -> Case:
    n = draw.randint(1000, 9_999_999)
    return _math(
        "thousands",
        draw,
        f"{n:,}".replace(",", ",\\!"),
        f"{n}",
        f"{n:,}",
        f"{n:,}".replace(",", "{,}"),
        f"\\${n:,}",
        f"{n:,} dollars",
        f"{n}.00",
        wrong=(f"{n + 1:,}", f"{n // 1000}", f"{n * 10}", f"{n / 1000:.3f}"),
    )


def measured(draw: random.Random) -> Case:
    whole, above, unit = (
        draw.randint(1, 20),
        draw.choice((1, 3)),
        draw.choice(("cm", "inches", "meters", "square feet")),
    )
    return _math(
        "units",
        draw,
        f"{whole}\\frac{{{above}}}{{4}}\\text{{ {unit}}}",
        f"{whole + above / 4} {unit}",
        f"{whole} {above}/4 {unit}",
        f"\\frac{{{4 * whole + above}}}{{4}}",
        f"{4 * whole + above}/4 {unit}",
        f"{whole + above / 4}\\ \\mathrm{{{unit.split()[-1]}}}",
        f"{whole}\\dfrac{{{above}}}{{4}}",
        wrong=(f"{whole} {unit}", f"{whole * above}/4 {unit}", f"{whole + above / 4 + 1} {unit}", f"{whole}{above}/4"),
    )


def plus_minus(draw: random.Random) -> Case:
    a, b = draw.randint(1, 12), draw.choice((2, 3, 5, 7))
    return _math(
        "plus or minus",
        draw,
        f"{a} \\pm \\sqrt{{{b}}}",
        f"{a} ± √{b}",
        f"{a}+\\sqrt{{{b}}}, {a}-\\sqrt{{{b}}}",
        f"x = {a}-\\sqrt{{{b}}} or x = {a}+\\sqrt{{{b}}}",
        f"{a} +/- sqrt({b})",
        f"\\{{{a}-\\sqrt{b}, {a}+\\sqrt{b}\\}}",
        f"x = {a} \\pm \\sqrt {b}",
        wrong=(f"{a}+\\sqrt{{{b}}}", f"{a} \\pm {b}", f"{a + 1} \\pm \\sqrt{{{b}}}", f"-{a} \\pm \\sqrt{{{b}}}"),
    )


KINDS: tuple[Callable[[random.Random], Case], ...] = (
    *(integer, fraction, root, pi, interval, roots, point, degrees, percent, text, expression, complex_number),
    *(thousands, measured, plus_minus),
)


def _math(kind: str, draw: random.Random, gold: str, *six: str, wrong: tuple[str, ...]) -> Case:
    """With four more rewritings, which dress the gold answer itself."""
    assert len(six) == 6, (kind, six)
    dressed = (
        f"\\boxed{{{gold}}}",
        f"Therefore, the final answer is $\\boxed{{{gold}}}$.",
        f"After some work we find it.\n\n<answer>{six[0]}</answer>",
        f"  ${gold}$ ",
    )
    return Case("math", kind, gold, (*six, *dressed), draw.choice(wrong))
