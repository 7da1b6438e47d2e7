"""What trials of rewards have shown. `dataclasses.asdict` of `Trials` is what JSON has of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from groupthink.records import Problem, Response, Score

RIGHT, TOO, WRONG, NOTHING, TRICK, OWN = "right", "right too", "wrong", "nothing", "trick", "own"
"""What a response is:

| kind | it | its reward must be |
|---|---|---|
| right | is right, in the form that is asked for | the highest |
| right too | is right, in another form, too long or malformed | anything |
| wrong | is wrong, and well formed | far below the right one's |
| nothing | answers nothing | no more than a wrong answer's |
| trick | tries to be paid without a right answer | far below the right one's |
| own | is the model's own | not the same for all of them |
"""


@dataclass(frozen=True, eq=False, slots=True)
class Attempt:
    """One response, and what the judge said of it."""

    case: str
    kind: str
    problem: Problem
    response: Response
    score: Score


@dataclass(frozen=True, slots=True)
class Row:
    """What one case earned: means over the problems that it was tried on."""

    case: str
    kind: str
    responses: int
    reward: float
    parts: Mapping[str, float | None]  # None: it did not count for any of them
    tokens: float


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one part of the reward takes."""

    calls: int  # responses that it was asked about
    seconds: float  # for one response: the median over the groups that it was asked about
    step_seconds: float  # for as many responses as a step of the recipe has
    slowest: float  # seconds, for one of the cases that are meant to take long ...
    slowest_case: str  # ... this one; empty where none was tried


@dataclass(frozen=True, slots=True)
class Failure:
    """A reward of the user's, or a task's verdict, that raised."""

    reward: str
    case: str
    error: str  # its type and what it says


@dataclass(frozen=True, slots=True)
class Own:
    """What the model itself wrote."""

    problems: int
    responses: int
    seconds: float  # for all of them, one process drawing
    max_tokens: int  # at which they were cut, which may be less than the recipe's


@dataclass(frozen=True, slots=True)
class Finding:
    """Finding(name="spam", evidence="'several answers' earned as much as ...", advice="read the last answer ...")"""

    name: str
    evidence: str
    advice: str


@dataclass(frozen=True, slots=True)
class Trials:
    """What was tried, what it earned, and what looks wrong."""

    problems: int
    weights: Mapping[str, float]
    rows: tuple[Row, ...]  # in the order of the cases
    timing: Mapping[str, Timing]  # by the name of the part
    failures: tuple[Failure, ...]
    own: Own | None  # None: the model was not asked
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]  # what was not tried and why, and how to read the rest


def rows_of(attempts: list[Attempt]) -> tuple[Row, ...]:
    """A row for each case, in the order in which they come first."""
    by_case: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_case.setdefault(attempt.case, []).append(attempt)
    return tuple(_row(case, tried) for case, tried in by_case.items())


def _row(case: str, tried: list[Attempt]) -> Row:
    names = dict.fromkeys(name for attempt in tried for name in attempt.score.parts)
    return Row(
        case=case,
        kind=tried[0].kind,
        responses=len(tried),
        reward=_mean([attempt.score.value for attempt in tried]),
        parts={name: _mean_of_some([attempt.score.parts.get(name) for attempt in tried]) for name in names},
        tokens=_mean([attempt.response.written for attempt in tried]),
    )


def _mean(values: list[float] | list[int]) -> float:
    return sum(values) / len(values)


def _mean_of_some(values: list[float | None]) -> float | None:
    counted = [value for value in values if value is not None]
    return _mean(counted) if counted else None
