"""The report in Markdown: in a file with its plots beside it, and in a model card."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from groupthink.insight.report.plots import Plot, draw_plots
from groupthink.insight.report.records import Report
from groupthink.insight.report.table import Table, accuracy, differences, lineage, tables
from groupthink.run.files import write_text

FILE = "report.md"


def write_markdown(folder: Path, report: Report, tell: Callable[[str], None]) -> Path:
    """Write `report.md` and its plots into `folder`; where they cannot be drawn, `tell` is told, and it has none."""
    folder.mkdir(parents=True, exist_ok=True)
    plots: Sequence[Plot] = ()
    try:
        plots = draw_plots(folder, report)
    except ValueError as error:
        tell(f"the report has no plots: {error}")
    write_text(folder / FILE, in_markdown(report, plots))
    return folder / FILE


def in_markdown(report: Report, plots: Sequence[Plot] = ()) -> str:
    """All tables and plots."""
    parts = [f"# {escaped(report.run.resolve().name)}", *(_shown(plot) for plot in plots)]
    return "\n\n".join([*parts, *(_section(table) for table in tables(report))]) + "\n"


def card_section(report: Report) -> str:
    """What a model card says of the stages that led to the model."""
    parts = (accuracy(report), differences(report), lineage(report))
    return "\n\n".join(["## The stages", *(_section(table, "###") for table in parts if table.rows)]) + "\n"


def _section(table: Table, level: str = "##") -> str:
    lines = [f"{level} {table.title}", "", _row(table.heads), "|" + "---|" * len(table.heads)]
    lines += [_row([escaped(text) for text in row]) for row in table.rows]
    for note in table.notes:
        lines += ["", escaped(note)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _shown(plot: Plot) -> str:
    return f"![{escaped(plot.title)}]({plot.file})"


def escaped(text: str) -> str:
    r"""Text in which nothing is Markdown or HTML, but for code between backticks.

    >>> escaped("a|b <i> *c* `d`")
    'a\\|b &lt;i> \\*c\\* `d`'
    """
    return re.sub(r"([|*_\[\]\\])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " "))
