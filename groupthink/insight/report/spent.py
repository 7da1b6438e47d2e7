"""Tokens and time that a run has taken, from what it wrote."""

from collections.abc import Mapping, Sequence
from typing import Any

BEGINNINGS = ("started", "resumed")

Line = Mapping[str, Any]


def tokens(lines: Sequence[Line]) -> int:
    """Tokens that were learned from: each line of metrics.jsonl has those so far."""
    return int(lines[-1].get("num_tokens") or 0) if lines else 0


def seconds(events: Sequence[Line], lines: Sequence[Line]) -> float:
    """Seconds at work, evaluations included: of each session, from its beginning to the last that it wrote of itself.

    Of a run at work that is some time ago; the steps since then may come to more.
    """
    sessions: list[tuple[float, float]] = []
    for event in events:
        if event["event"] in BEGINNINGS or not sessions:
            sessions.append((event["time"], event["time"]))
        sessions[-1] = (sessions[-1][0], event["time"])
    return max(sum(end - start for start, end in sessions), sum(map(step_seconds, lines)))


def step_seconds(line: Line) -> float:
    """Seconds of one step."""
    return sum(value for name, value in line.items() if name.startswith("time/"))
