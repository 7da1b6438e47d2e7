"""Where one has come to in the files of a run at work, and what has come since: each line once."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from groupthink.web.reading.growing import Tail, last_line, read_place
from groupthink.web.reading.status import RUNNING, STALLED, status_of

STATUS_EVERY = 2.0
"""Seconds after which it is asked again how things stand with a run at work of which nothing was heard."""

AT_WORK = ("", RUNNING, STALLED)
"""How a run may stand that comes to another standing without a line: all others begin with one."""


class Event(NamedTuple):
    """Something that happened: "step", "event", "status", or "reset", where all that was told before is void."""

    kind: str
    data: dict[str, Any]
    id: str  # where one is after it


class Follower:
    """What happens to the run called `name`, from the moment that the id `after` stands for, or else from now on.

    Of now it tells how things stand and which step was the last: what is known of it may be a moment old.
    """

    def __init__(self, name: str, place: Path, after: str = "", whole: bool = False):
        self.name, self.path = name, place
        self._steps, self._events = Tail(place / "metrics.jsonl"), Tail(place / "events.jsonl")
        self.status, self._why, self._asked = "", "", 0.0
        self._lost = not self._take_up(after) if after else False
        self._first = not after and not whole
        if self._first:
            self._steps.to_end()
            self._events.to_end()

    @property
    def id(self) -> str:
        """Where it is: the places in both files, and how things stood."""
        return f"{self._steps.place}.{self._events.place}.{self.status}"

    def fresh(self) -> list[Event]:
        """What has happened since it was asked last."""
        found: list[Event] = []
        if self._lost or self._steps.moved() or self._events.moved():
            self._lost, self._first = False, False
            self._steps, self._events = Tail(self._steps.path), Tail(self._events.path)
            found.append(self._event("reset", {}))
        if self._first:
            self._first = False
            last = last_line(self._steps.path)
            found += [self._event("step", {"step": last.get("step")})] if last else []
        for line in self._steps.fresh():
            found.append(self._event("step", {"step": line.get("step")}))
        for line in self._events.fresh():
            found.append(self._event("event", line))
        return found + self._changed(heard=bool(found))

    def standing(self) -> Event:
        """How things stood when that was looked at last."""
        return self._event("status", {"status": self.status, "why": self._why})

    def _changed(self, heard: bool) -> list[Event]:
        """How things stand, where they stand otherwise than before."""
        now = time.time()
        if not heard and (now - self._asked < STATUS_EVERY or self.status not in AT_WORK):
            return []
        self._asked = now
        status, self._why = status_of(self.path, now)
        if status == self.status:
            return []
        self.status = status
        return [self.standing()]

    def _event(self, kind: str, data: dict[str, Any]) -> Event:
        return Event(kind, {"run": self.name, **data}, self.id)

    def _take_up(self, after: str) -> bool:
        """Whether what an id says can be gone on from."""
        steps, _, rest = after.partition(".")
        events, _, status = rest.partition(".")
        self.status = status if status.isalpha() and len(status) < 20 else ""
        places = read_place(steps), read_place(events)
        if places[0] is None or places[1] is None:
            return False
        self._steps.place, self._events.place = places[0], places[1]
        return self._steps.is_there() and self._events.is_there()
