"""The report as one JSON object."""

from dataclasses import asdict
from typing import Any

from groupthink.insight.report.figures import MEASURES
from groupthink.insight.report.records import Evaluated, Figures, Kept, Report, Stage


def as_json(report: Report) -> dict[str, Any]:
    """`stages`, in their order, and the `differences` of those that are compared (`compared.pairs`).

    `whole` says where a recipe of several stages stands; it is None of a run.

    A figure `f` has its interval in `f_low` and `f_high`; all three are None where nobody knows it.
    """
    return {
        "run": str(report.run),
        "k": report.k,
        "whole": None if report.whole is None else asdict(report.whole),
        "stages": [_stage(stage) for stage in report.stages],
        "differences": [asdict(found) for found in report.differences],
        "tokens": report.tokens,
        "seconds": report.seconds,
    }


def _stage(stage: Stage) -> dict[str, Any]:
    found = stage.evaluated
    return {
        "name": stage.name,
        "kind": stage.kind,
        "path": str(stage.path),
        "steps": stage.done,
        "finished": stage.finished,
        **_flat(found.figures if found else dict.fromkeys(MEASURES)),
        "traits": _flat(found.traits) if found else {},
        "evaluated": None if found is None else _asked(found),
        "tokens": stage.tokens,
        "seconds": stage.seconds,
        "from": [asdict(origin) for origin in stage.origins],
        "version": stage.version,
        **({} if stage.kept is None else _counted(stage.kept)),
    }


def _asked(found: Evaluated) -> dict[str, Any]:
    names = ("name", "command", "otherwise", "problems", "samples")
    counts = {"unjudged": dict(found.unjudged), "imitated": dict(found.imitated)}
    return {name: getattr(found, name) for name in names} | counts


def _counted(kept: Kept) -> dict[str, Any]:
    return {"sampled": kept.sampled, "kept": kept.kept, "dropped": dict(kept.dropped)}


def _flat(figures: Figures) -> dict[str, float | None]:
    return {
        f"{name}{end}": None if figure is None else getattr(figure, part)
        for name, figure in figures.items()
        for end, part in (("", "mean"), ("_low", "low"), ("_high", "high"))
    }
