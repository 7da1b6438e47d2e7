"""What of a run goes into one file: all that is short, and of the rest what tells most, as far as there is room."""

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from groupthink.run.stages import is_pipeline
from groupthink.web.answers import dump
from groupthink.web.notes import read_notes
from groupthink.web.reading.curves import read_run
from groupthink.web.reading.groups import read_group
from groupthink.web.reading.index import warm
from groupthink.web.reading.places import Places
from groupthink.web.reading.problems import list_problems
from groupthink.web.reading.reports import report_of
from groupthink.web.reading.responses import read_response
from groupthink.web.reading.rows import recorded_steps
from groupthink.web.reading.runs import list_runs
from groupthink.web.reading.steps import read_step
from groupthink.web.reading.visits import read_problem

T = TypeVar("T")
Answer = dict[str, Any]
Group = tuple[int, int]

STEPS, GROUPS, RESPONSES = 0.45, 0.75, 0.9
"""The shares of the room that are filled when steps are in, and groups, and responses; problems take what is left."""

MOST_GROUPS, MOST_RESPONSES, MOST_PROBLEMS, PAGES = 400, 200, 150, 4
"""However short they are; and pages of the list of problems, in each of its orders."""


@dataclass
class Selection:
    """Answers by their addresses, as the pages ask for them, and how many there are of each kind."""

    name: str
    time: float = field(default_factory=time.time)
    answers: dict[str, bytes] = field(default_factory=dict)
    size: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    steps: int = 0  # that the run has recorded

    @property
    def words(self) -> str:
        """What is in it: "140 of 140 steps, 52 groups in full, 24 responses token by token and 9 problems"."""
        count = self.counts.get
        return (
            f"{count('step', 0)} of {self.steps} steps, {count('group', 0)} groups in full, {count('response', 0)} "
            f"responses token by token and {count('problem', 0)} problems"
        )

    def add(
        self, what: str, params: dict[str, Any], read: Callable[[], Answer], most: float = math.inf
    ) -> Answer | None:
        """Take an answer in, where there is one and all together then have `most` bytes; what it is, or None."""
        query = urlencode({name: params[name] for name in sorted(params)})
        address = f"/api/{what}?{query}" if query else f"/api/{what}"
        if address in self.answers or self.size >= most:
            return None
        try:
            answer = read()
        except (LookupError, ValueError, OSError):  # there is none
            return None
        data = dump(answer)
        if self.size + len(data) > most:
            return None
        self.answers[address] = data
        self.size += len(data)
        self.counts[what] = self.counts.get(what, 0) + 1
        return answer


def select(run: Path, room: int) -> Selection:
    """What is chosen of the run, or recipe of several stages, in `run`. Raises LookupError where there is none.

    `room`: bytes of answers. What is short goes in, whatever it takes.
    """
    places = Places(run)
    name = places.name(places.folder)
    places.path(name)
    selection = Selection(name)
    selection.add("run", {"run": name}, lambda: read_run(places.path(name), name))  # first: the file opens at it
    selection.add("runs", {}, lambda: {**list_runs(places), "folder": ""})  # where it lies is nobody's business
    names = [one for one in places.names() if one != name]
    if is_pipeline(places.folder):
        selection.add("report", {"run": name}, lambda: report_of(places.folder))
    for one in names:
        selection.add("run", {"run": one}, partial(read_run, places.path(one), one))
    with_steps = [one for one in [name, *names] if recorded_steps(places.path(one))]
    begun = selection.size
    for number, one in enumerate(with_steps, start=1):
        _select_run(selection, places.path(one), one, begun + (room - begun) * number // len(with_steps))
    return selection


def _select_run(selection: Selection, place: Path, name: str, most: int) -> None:
    """Of one run, until all together have `most` bytes."""
    steps, filled = recorded_steps(place), selection.size
    selection.steps += len(steps)

    def add(what: str, read: Callable[[], Answer], share: float = 1.0, **params: Any) -> Answer | None:
        return selection.add(what, {"run": name, **params}, read, filled + share * (most - filled))

    noted = read_notes(place)
    add("notes", lambda: {"notes": noted})
    told: dict[int, Answer] = {}
    for step in spread(steps):
        if (answer := add("step", partial(read_step, place, step, name), STEPS, step=step)) is not None:
            told[step] = answer
    telling = {step: _telling(told[step]) for step in spread(sorted(told))}
    best = [group for step in [*telling][:3] for group in telling[step][:1]]
    wanted = [(note["step"], note["group"]) for note in noted] + best
    wanted += [(step, one["group"]) for step in [*telling][:3] for one in told[step]["groups"]]
    wanted += [group for rank in range(4) for step in telling for group in telling[step][rank : rank + 1]]
    groups: dict[Group, Answer] = {}
    for step, group in unique(wanted)[:MOST_GROUPS]:
        answer = add("group", partial(read_group, place, step, group, name), GROUPS, step=step, group=group)
        if answer is not None:
            groups[step, group] = answer
    responses = [(note["step"], note["group"], note["response"]) for note in noted]
    responses += [(*group, one["response"]) for group in best if group in groups for one in groups[group]["responses"]]
    responses += [(*group, one["response"]) for group in groups for one in _ends(groups[group])]
    for step, group, response in unique(responses)[:MOST_RESPONSES]:
        read = partial(read_response, place, step, group, response, name)
        add("response", read, RESPONSES, step=step, group=group, response=response)
    _select_problems(place, name, unique(groups[group]["problem"] for group in groups), add)


def _select_problems(place: Path, name: str, problems: Sequence[str], add: Callable[..., Answer | None]) -> None:
    """The lists of problems, as their page asks for them at first and page by page, and some of the problems."""
    warm(place, threading.Event())  # or not all of them would be known
    for sort in ("visits", "rate", "gain", "name"):
        for page in range(1, PAGES + 1):
            asked = {"sort": sort, **({"page": page} if page > 1 else {})}
            add("problems", partial(list_problems, place, sort, page, "", name), **asked)
    for kind in ("held-out", "trained", "mixed", "right", "wrong"):
        add("problems", partial(list_problems, place, "visits", 1, kind, name), sort="visits", kind=kind)
    for problem in problems[:MOST_PROBLEMS]:
        add("problem", partial(read_problem, place, problem, name), problem=problem)


def _telling(step: Answer) -> list[Group]:
    """The groups of a step that teach something, those first whose responses were moved furthest apart."""

    def distance(group: Answer) -> float:
        advantages = [one["advantage"] for one in group["responses"] if one["advantage"] is not None]
        changes = [one["change"] for one in group["responses"] if one["change"] is not None]
        moved = max(changes) - min(changes) if changes else 0.0
        return (max(advantages) - min(advantages) if advantages else 0.0) * (1 + moved)

    groups = sorted((one for one in step["groups"] if one["gradient"]), key=distance, reverse=True)
    return [(step["step"], one["group"]) for one in groups]


def _ends(group: Answer) -> list[Answer]:
    """The first and the last of a group's responses, which stand in order of advantage."""
    return [group["responses"][0], group["responses"][-1]]


def spread(some: Sequence[T]) -> list[T]:
    """All of them in another order: the first, the last, the middle, and then the middles of what is between.

    >>> spread([0, 1, 2, 3, 4])
    [0, 4, 2, 1, 3]
    """
    return list(unique([*some[:1], *some[-1:], *(some[place] for place in _middles(len(some)))]))


def _middles(count: int) -> Iterator[int]:
    spans = [(0, count - 1)]
    for low, high in spans:  # it grows meanwhile
        if high - low > 1:
            middle = (low + high) // 2
            spans += [(low, middle), (middle, high)]
            yield middle


def unique(some: Iterable[T]) -> list[T]:
    """Each of them once, where it stands first."""
    return list(dict.fromkeys(some))
