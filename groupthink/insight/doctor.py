"""`groupthink doctor RUN`: what is wrong with a run, as far as its figures show, and which setting to change."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from groupthink.insight.causes import Finding, diagnose
from groupthink.insight.history import WINDOW, History
from groupthink.recipe import load_recipe
from groupthink.run.files import read_object
from groupthink.run.lines import read_events
from groupthink.run.metrics import read_metrics
from groupthink.run.printable import printable

TOLD = ("cause", "evidence", "advice", "step")
"""What the event of a finding says."""

WITHOUT_QUESTIONS = ("sample", "sft", "evaluate")
"""Kinds of stages of which nobody is asked whether what they make is as it should be."""

LARGEST = 3


@dataclass(frozen=True, slots=True)
class Replaced:
    """A process that drew, scored or learned and ended or hung. Another took its place, where there was one for it."""

    step: int
    reason: str


@dataclass(frozen=True, slots=True)
class Examination:
    """What was looked at, and what was found: as the run stands, and in its course."""

    run: str
    kind: str  # of the stage, as a recipe has it
    steps: int
    findings: tuple[Finding, ...]  # as things are; the first brings the others with it
    earlier: tuple[Finding, ...]  # that were seen while it ran, and are no more
    dropped: Mapping[str, int]  # of `sample`, once it is done: how many responses for each reason
    replaced: tuple[Replaced, ...]  # in their order


def examine(run: Path) -> Examination:
    """Read a run's directory. Raises FileNotFoundError where there is none."""
    if not (run / "recipe.toml").is_file():
        raise FileNotFoundError(f"there is no run in {run}: name the folder that holds its recipe.toml")
    recipe, lines = load_recipe(run / "recipe.toml"), read_metrics(run / "metrics.jsonl")
    findings = diagnose(History(recipe, lines))
    now = {finding.cause for finding in findings}
    events = read_events(run / "events.jsonl")
    told = [event for event in events if event["event"] == "finding"]
    earlier = [
        Finding(**{name: event[name] for name in TOLD})
        for event in told
        if event.keys() >= {*TOLD} and str(event["cause"]) not in now
    ]
    gone = [event for event in events if event["event"] == "restarted" and type(event.get("step")) is int]
    replaced = tuple(Replaced(event["step"], str(event.get("reason"))) for event in gone)
    return Examination(str(run), recipe.stage, len(lines), tuple(findings), tuple(earlier), _dropped(run), replaced)


def _dropped(run: Path) -> dict[str, int]:
    if not (run / "summary.json").exists():
        return {}
    counts = read_object(run / "summary.json").get("dropped", {})
    return counts if isinstance(counts, dict) else {}


def in_words(found: Examination) -> list[str]:
    """For a terminal."""
    return [*_opinion(found), *_gone(found.replaced)]


def _opinion(found: Examination) -> list[str]:
    if not found.findings and found.kind in WITHOUT_QUESTIONS:
        return [
            f"{found.run}: the doctor has no questions for what a stage {found.kind!r} makes",
            *_most_dropped(found),
        ]
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


def _most_dropped(found: Examination) -> list[str]:
    """The reasons for which most responses were dropped: where to look first."""
    counts = sorted(((count, reason) for reason, count in found.dropped.items() if count), reverse=True)
    told = ", ".join(f"{reason} {count:,}" for count, reason in counts[:LARGEST])
    return [f"  most were dropped as: {told} (see [sample], and README.md beside the data)"] if told else []


def _said(finding: Finding, title: str) -> list[str]:
    return ["", title, *_wrapped(f"seen: {finding.evidence}"), *_wrapped(f"do:   {finding.advice}")]


def _gone(replaced: Sequence[Replaced]) -> list[str]:
    """No step is lost by it, but time is."""
    if not replaced:
        return []
    newest = replaced[-1]
    said = f"last, in step {newest.step}: {newest.reason}"
    return ["", f"processes that ended or hung, and no step was lost: {len(replaced)}", *_wrapped(said)]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(printable(text), 100, initial_indent="  ", subsequent_indent="        ")
