"""What trials have shown, for a terminal."""

import textwrap

from groupthink.insight.trials.seen import Finding, Row, Trials
from groupthink.run.printable import printable

WIDTH = 100
LONGEST_TITLE = 12


def in_words(trials: Trials) -> list[str]:
    """A table of what each case earned, how long the parts take, what looks wrong. No line has control characters."""
    lines = [*_table(trials), *_timing(trials)]
    if trials.notes:
        lines.append("")
    for note in trials.notes:
        lines += textwrap.wrap(note, WIDTH, initial_indent="- ", subsequent_indent="  ")
    for finding in trials.findings:
        lines += _said(finding)
    if trials.rows and not trials.findings:
        lines += ["", "nothing looks exploitable, as far as these cases show"]
    return [printable(line).replace("\n", " ").replace("\t", " ") for line in lines]


def _table(trials: Trials) -> list[str]:
    if not trials.rows:
        return []
    names = [name for name, weight in trials.weights.items() if weight]
    titles = ["reward", *map(_title, names), "tokens"]
    first = max(len(row.case) for row in trials.rows)
    widths = [max(len(title), 6) for title in titles]
    head = "  ".join([" " * first, *(title.rjust(width) for title, width in zip(titles, widths, strict=True))])
    weights = ["", *(f"x {trials.weights[name]:g}" for name in names), ""]
    under = "  ".join([" " * first, *(text.rjust(width) for text, width in zip(weights, widths, strict=True))])
    lines = [head, under.rstrip()]
    kind = trials.rows[0].kind
    for row in trials.rows:
        if row.kind != kind:
            lines.append("")
        kind = row.kind
        figures = [f"{row.reward:.2f}", *(_figure(row, name) for name in names), f"{row.tokens:.0f}"]
        cells = [figure.rjust(width) for figure, width in zip(figures, widths, strict=True)]
        lines.append("  ".join([row.case.ljust(first), *cells]))
    return lines


def _figure(row: Row, name: str) -> str:
    value = row.parts.get(name)
    return "-" if value is None else f"{value:.2f}"


def _title(name: str) -> str:
    """Of a function of the user's, its own name, as much as there is room for."""
    return name.rpartition(":")[2][-LONGEST_TITLE:] if ":" in name else name


def _timing(trials: Trials) -> list[str]:
    if not trials.timing:
        return []
    lines = [""]
    for name, timing in trials.timing.items():
        longest = f"; {timing.slowest_case}: {_time(timing.slowest)}" if timing.slowest_case else ""
        lines.append(
            f"{_title(name)} takes {_time(timing.seconds)} for a response, {_time(timing.step_seconds)} a step{longest}"
        )
    return lines


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 0.1 else f"{1000 * seconds:.1f} ms"


def _said(finding: Finding) -> list[str]:
    said = [f"seen: {finding.evidence}", f"do:   {finding.advice}"]
    return [
        "",
        finding.name,
        *(
            line
            for each in said
            for line in textwrap.wrap(printable(each), WIDTH, initial_indent="  ", subsequent_indent="        ")
        ),
    ]
