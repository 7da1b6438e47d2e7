"""What a stage must reach before the next may begin: `pass@1 >= 0.6 and length < 120`.

    gate  = bound (" and " bound)*
    bound = figure (">=" | "<=" | ">" | "<") number

Figures are those of the stage's last evaluation, or the counts of `sample`. The text is never evaluated.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from groupthink.nearest import nearest

SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
EVALUATED = (
    *("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient", "format", "problems", "samples"),
    *("length", "truncated", "environment"),
)
"""The figures of an evaluation that are numbers."""

SHARES = ("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient", "format", "truncated")
"""Those that are shares: 1 is all of them."""

SAMPLED = ("steps", "problems", "sampled", "right", "kept", "kept_problems", "tokens", "length", "held_out")
"""Those of what the stage `sample` comes to."""

_BOUND = re.compile(r"\s*([^\s<>=]+)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Bound:
    """One condition. Bound("pass@1", ">=", 0.6)"""

    figure: str
    sign: str
    value: float

    def __str__(self) -> str:
        return f"{self.figure} {self.sign} {self.value:g}"


def read_gate(text: str) -> tuple[Bound, ...]:
    """The bounds that `text` joins by "and"; none where it is empty. Raises ValueError for anything else."""
    if not text.strip():
        return ()
    return tuple(_read_bound(part, text) for part in re.split(r"\band\b", text))


def _read_bound(part: str, text: str) -> Bound:
    if found := _BOUND.fullmatch(part):
        figure, sign, value = found.groups()
        return Bound(figure, sign, float(value))
    raise ValueError(
        f"require is {text!r}, and {part.strip()!r} is no bound: write a figure, one of {', '.join(SIGNS)}, and a "
        'number, such as require = "pass@1 >= 0.6 and length < 120"'
    )


def require_known(gate: tuple[Bound, ...], kind: str) -> None:
    """Raise ValueError for a figure that no stage of a kind comes to."""
    known = SAMPLED if kind == "sample" else EVALUATED
    for bound in gate:
        if bound.figure not in known:
            raise ValueError(
                f"require asks for {bound}, and no figure of stage={kind} is called {bound.figure!r}: did you mean "
                f"{nearest(bound.figure, known)}? (there are: {', '.join(known)})"
            )


def require_possible(gate: tuple[Bound, ...], most: Mapping[str, float]) -> None:
    """Raise ValueError for a bound that no figure can keep. `most`: what figures can come to."""
    for bound in gate:
        if bound.sign.startswith(">") and not SIGNS[bound.sign](most.get(bound.figure, float("inf")), bound.value):
            share = bound.figure in SHARES
            raise ValueError(
                f"require asks for {bound}, and {bound.figure} is at most {most[bound.figure]:g}"
                + (
                    f": {bound.value:g} % are written {bound.figure} {bound.sign} {bound.value / 100:g}"
                    if share
                    else ""
                )
            )


def missed(gate: tuple[Bound, ...], figures: Mapping[str, Any]) -> list[str]:
    """Of each bound that is not kept, what was found instead; empty where all are. An unknown figure keeps none."""
    said = []
    for bound in gate:
        value = figures.get(bound.figure)
        if value is None:
            said.append(f"nobody knows its {bound.figure}, and {bound} is required")
        elif not SIGNS[bound.sign](value, bound.value):
            said.append(f"its {bound.figure} is {value:.4g}, and {bound} is required")
    return said


def figures_of(summary: Mapping[str, Any]) -> dict[str, float | None]:
    """What a gate may ask of a stage: the figures of its last evaluation or, where it made none, of its summary."""
    figures = summary.get("after", summary)
    return {name: value for name, value in figures.items() if value is None or _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
