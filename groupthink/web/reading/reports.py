"""The report's table of accuracy, of a recipe of several stages. Its intervals take seconds: they are kept."""

import json
from pathlib import Path
from typing import Any

from groupthink.insight.report import read_report
from groupthink.insight.report.table import accuracy
from groupthink.run.stages import PIPELINE
from groupthink.web.reading.kept import Kept, Look, look


def report_of(place: Path) -> dict[str, Any]:
    """Its `report`: None where it has no rows yet, or no stages."""
    return {"report": _reports(place) if (place / PIPELINE).is_file() else None}


def _make(place: Path) -> dict[str, Any] | None:
    try:
        table = accuracy(read_report(place))
    except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError):
        return None  # a stage is just being set aside, or was made by another version
    if not table.rows:
        return None
    return {
        "title": table.title,
        "heads": list(table.heads),
        "rows": [list(row) for row in table.rows],
        "notes": list(table.notes),
    }


def _evaluations(place: Path) -> tuple[tuple[str, Look | None], ...]:
    files = [*place.glob("evaluations/*.json"), *place.glob("stages/*/evaluations/*.json")]
    return tuple((file.as_posix(), look(file)) for file in sorted(files))


_reports = Kept(_make, most=64, look=_evaluations)
