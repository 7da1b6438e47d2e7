"""The report for a terminal."""

import re
import textwrap
from collections.abc import Sequence

from groupthink.insight.report.records import Report
from groupthink.insight.report.table import Table, tables
from groupthink.run.printable import printable

WIDTH = 100


def in_words(report: Report) -> list[str]:
    """All tables, in plain lines."""
    lines = [printable(f"{report.run}")]
    for table in tables(report):
        lines += ["", *_lines(table)]
    return lines


def _lines(table: Table) -> list[str]:
    columns = [_even(column) for column in zip(table.heads, *table.rows, strict=True)]
    lines = [table.title, *(f"  {'  '.join(row)}".rstrip() for row in zip(*columns, strict=True))]
    for note in table.notes:
        lines += textwrap.wrap(note, WIDTH, initial_indent="  ", subsequent_indent="  ")
    return lines


def _even(column: Sequence[str]) -> list[str]:
    """Cells of one width; figures end below each other."""
    _, *cells = column
    width, numbers = max(map(len, column)), all(re.match(r"[-+]?\d|-?$", cell) for cell in cells)
    return [cell.rjust(width) if numbers else cell.ljust(width) for cell in column]
