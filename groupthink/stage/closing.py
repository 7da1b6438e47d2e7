"""What a run says at its end: before against after, in figures and in one problem's chains."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from groupthink.insight.paired import Row, difference, rates
from groupthink.run.digits import true_decimals
from groupthink.run.printable import percent
from groupthink.run.terminal import unjudged_lines

Evaluated = tuple[dict[str, Any], Sequence[Row]]
"""The figures of an evaluation, and its rows: one for each response."""


def closing_figures(before: Evaluated, after: Evaluated) -> dict[str, Any]:
    """The figures of both evaluations, and the gain over the better of the base's greedy and cool decoding.

    The gain is paired by problem; its interval is the 95 % bootstrap over problems. Where nobody knows what is right,
    there is none: `base_best` and `gain` are None.
    """
    (figures_before, rows_before), (figures_after, rows_after) = before, after
    base = {"greedy": rates(rows_before, "greedy"), "temperature 0.5": rates(rows_before, "cool")}
    best = max(base, key=lambda name: np.mean(list(base[name].values()) or [0.0]))
    found = difference(rates(rows_after, "sampled"), base[best])
    base_best, gain = None, None
    if found is not None:
        base_best = {"decoding": best, "accuracy": float(np.mean(list(base[best].values())))}
        gain = asdict(found)
    return {
        "before": figures_before,
        "after": figures_after,
        "base_best": base_best,
        "gain": gain,
        "chains": [
            {key: row[key] for key in ("prompt", "expected", "text")} for row in chains_to_show(rows_before, rows_after)
        ],
    }


def closing_lines(figures: dict[str, Any]) -> list[str]:
    """The figures in plain lines for a terminal."""
    before, after = figures["before"], figures["after"]
    best, gain = figures["base_best"], figures["gain"]
    form = _form(best, gain)
    once = before["samples"] == after["samples"] == 1  # both would be pass@1 again
    several = [(_of_several(name, before, after), f"{name}@k") for name in ("maj", "pass") if not once]
    lines = [
        f"{after['problems']} held-out problems, which training never saw",
        "",
        f"{'':18}{'before':>18}{'after':>18}",
        _line("pass@1", _with_interval(before, form), _with_interval(after, form)),
        *(
            _line(label, percent(before[name]), percent(after[name]))
            for label, name in (
                ("greedy", "greedy"),
                *several,
                ("lenient", "lenient"),
            )
        ),
        _line("tokens a response", f"{before['length']:.0f}", f"{after['length']:.0f}"),
        "",
    ]
    if gain is not None:
        lines += [
            f"Gain over the base at its best ({best['decoding']}: {percent(best['accuracy'], form)}),",
            f"in points, paired by problem: {_points(gain['mean'])} [{_points(gain['low'])}, {_points(gain['high'])}]",
        ]
    lines += unjudged_lines(after)
    names = list(dict.fromkeys([*after["traits"], *before["traits"]]))
    if names:
        lines += [
            "",
            "How it reasons: share of responses, and how many of them are right",
            f"{'':18}{'before':>18}{'after':>18}",
        ]
        lines += [_line(name, _trait(before, name), _trait(after, name)) for name in names]
    for when, chain in zip(("before", "after"), figures["chains"], strict=True):
        answer = "" if chain["expected"] is None else f"; the answer is {chain['expected']}"
        lines += ["", f"{chain['prompt']}   ({when}{answer})"]
        lines += [f"    {line}" for line in chain["text"].split("\n")]
    return lines


def _of_several(name: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """maj@4 or, where the two were asked another number of times, "maj@8, maj@4"."""
    return ", ".join(dict.fromkeys(f"{name}@{figures['samples']}" for figures in (before, after)))


def _form(best: dict[str, Any] | None, gain: dict[str, Any] | None) -> str:
    """How shares are written that the gain is the difference of, so that it is seen to be."""
    if best is None or gain is None:
        return ".1%"
    before = 100 * best["accuracy"]
    return f".{true_decimals([(before, before + 100 * gain['mean'])], 1)}%"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"


def _line(name: str, before: str, after: str) -> str:
    return f"{name:18}{before:>18}{after:>18}"


def _with_interval(figures: dict[str, Any], form: str) -> str:
    if figures["pass@1"] is None:
        return percent(None)
    return f"{percent(figures['pass@1'], form)} [{figures['pass@1_low']:.0%}, {figures['pass@1_high']:.0%}]"


def _trait(figures: dict[str, Any], name: str) -> str:
    found = figures["traits"].get(name)
    return f"{found['share']:.0%}, {percent(found['accuracy'], '.0%')} right" if found else "-"


def chains_to_show(rows_before: Sequence[Row], rows_after: Sequence[Row]) -> tuple[Row, Row]:
    """One problem's first chain before and its first chain after: of the first problem that went from wrong to right.

    Where there is none, of the first problem.
    """
    before, after = _first(rows_before), _first(rows_after)
    turned = (problem for problem in before if after[problem]["right"] and before[problem]["right"] is False)
    problem = next(turned, next(iter(before)))
    return before[problem], after[problem]


def _first(rows: Sequence[Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    for row in rows:
        if row["kind"] == "sampled":
            found.setdefault(row["problem"], row)
    return found
