"""`groupthink doctor RUN`: what is wrong with a run, as far as its figures show, and which setting to change."""

import textwrap
from dataclasses import dataclass
from pathlib import Path

from groupthink.insight.causes import Finding, diagnose
from groupthink.insight.history import WINDOW, History
from groupthink.recipe import load_recipe
from groupthink.run.lines import read_lines
from groupthink.run.metrics import read_metrics


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at, and what was found: as the run stands, and in its course."""

    run: str
    steps: int
    findings: tuple[Finding, ...]  # as things are; the first brings the others with it
    earlier: tuple[Finding, ...]  # that were seen while it ran, and are no more


def examine(run: Path) -> Examination:
    """Read a run's directory. Raises FileNotFoundError where there is none, ValueError for one without rewards."""
    if not (run / "recipe.toml").is_file():
        raise FileNotFoundError(f"there is no run in {run}: name the folder that holds its recipe.toml")
    recipe, lines = load_recipe(run / "recipe.toml"), read_metrics(run / "metrics.jsonl")
    findings = diagnose(History(recipe, lines))
    now = {finding.cause for finding in findings}
    told = [event for event in read_lines(run / "events.jsonl") if event["event"] == "finding"]
    earlier = [
        Finding(**{name: event[name] for name in ("cause", "evidence", "advice", "step")})
        for event in told
        if event["cause"] not in now
    ]
    return Examination(str(run), len(lines), tuple(findings), tuple(earlier))


def in_words(found: Examination) -> list[str]:
    """For a terminal."""
    if found.steps < WINDOW and not found.findings:
        return [f"{found.run} has done {found.steps} steps: the doctor looks at {WINDOW} and more"]
    if not found.findings:
        lines = [f"{found.run}: nothing is wrong after {found.steps} steps, as far as its figures show"]
    else:
        lines = [f"{found.run}, after {found.steps} steps:"]
    for finding in found.findings:
        lines += _said(finding, finding.cause)
    for finding in found.earlier:
        lines += _said(finding, f"{finding.cause} (at step {finding.step}; no more)")
    return lines


def _said(finding: Finding, title: str) -> list[str]:
    said = [f"seen: {finding.evidence}", f"do:   {finding.advice}"]
    return [
        "",
        title,
        *(
            line
            for each in said
            for line in textwrap.wrap(each, 100, initial_indent="  ", subsequent_indent="        ")
        ),
    ]
