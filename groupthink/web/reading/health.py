"""What the doctor makes of a run's figures, in words; and what its events say was found before."""

from pathlib import Path
from typing import Any, NamedTuple

from groupthink.insight.causes import CAUSES, Finding, diagnose
from groupthink.insight.doctor import WITHOUT_QUESTIONS
from groupthink.insight.history import WINDOW, History
from groupthink.run.lines import Line
from groupthink.web.reading.kept import Kept
from groupthink.web.reading.series import METRICS, extent_of, series_of
from groupthink.web.reading.settings import recipe_of
from groupthink.web.reading.status import events_of


class Health(NamedTuple):
    """Health(findings=[{"cause": "truncated", ...}], healthy=False)"""

    findings: list[dict[str, Any]]
    healthy: bool | None  # None: there is too little to go by, or the doctor has no questions


def health_of(place: Path) -> Health:
    """What is wrong with the run in `place`, the likeliest cause first, then what was and is no more."""
    now = _diagnosed(place / METRICS)
    causes = {finding.cause for finding in now}
    told = [
        event for event in events_of(place) if event["event"] == "finding" and str(event.get("cause")) not in causes
    ]
    findings = [_said(finding, now=True) for finding in now] + [_earlier(event) for event in told]
    if now:
        return Health(findings, False)
    enough = extent_of(place).steps >= WINDOW and recipe_of(place).stage not in WITHOUT_QUESTIONS
    return Health(findings, True if enough else None)


def title_of(cause: str) -> str:
    """What goes wrong, in a sentence."""
    asks = CAUSES.get(cause)
    words = (asks.__doc__ or "").strip().partition("\n")[0] if asks else ""
    return words or cause.replace("_", " ")


def _diagnose(metrics: Path) -> list[Finding]:
    place = metrics.parent
    lines: list[Line] = series_of(place).lines()
    return diagnose(History(recipe_of(place), lines))


def _said(finding: Finding, now: bool) -> dict[str, Any]:
    return {
        "cause": finding.cause,
        "title": title_of(finding.cause),
        "evidence": finding.evidence,
        "change": finding.advice,
        "step": finding.step,
        "now": now,
    }


def _earlier(event: dict[str, Any]) -> dict[str, Any]:
    words = {key: str(event.get(key) or "") for key in ("cause", "evidence", "advice")}
    step = event.get("step")
    return _said(Finding(**words, step=step if isinstance(step, int) else 0), now=False)


_diagnosed = Kept(_diagnose, most=256)
