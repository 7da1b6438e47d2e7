"""Who draws what: prompts in the order in which they were asked for, each from the weights that it was asked of.

    waiting    prompts that nobody has
    deal       engines that have room are given more; one that draws from older weights is given no newer work before
               all that it draws is finished, unless new weights are taken at once; and while older work waits for such
               an engine, nobody is given newer
    finished   what was drawn of it
    lost       what an engine had waits again, before all others

Nothing here knows of Ray. What is drawn of a prompt does not depend on who draws it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from groupthink.records import Response
from groupthink.rollout.engine import Sampling


@dataclass(eq=False, slots=True)
class Work:
    """A prompt, and the weights that its responses are to be drawn from."""

    ticket: int  # counts all that is submitted
    load: int  # counts the loads: which of them brought those weights
    request: tuple[np.ndarray, Sampling, int]
    engine: int | None = None  # who has it, by its number; None: it waits
    responses: tuple[Response, ...] | None = None
    cancelled: bool = False

    @property
    def done(self) -> bool:
        return self.cancelled or self.responses is not None


@dataclass(eq=False, slots=True)
class Queue:
    """`most`: prompts with an engine at a time. `at_once`: unfinished responses go on under newer weights."""

    most: int
    at_once: bool = False
    waiting: list[Work] = field(default_factory=list)  # by their tickets
    given: list[Work] = field(default_factory=list)

    def deal(self, engines: list[int]) -> list[tuple[int, Work]]:
        """Give engines work while there is room: who has the fewest responses to draw is first."""
        dealt: list[tuple[int, Work]] = []
        full: set[int] = set()
        held_up: int | None = None  # the load of the first work that nobody can take now
        for work in [*self.waiting]:
            if work.done:
                self.waiting.remove(work)
                continue
            if len(full) == len(engines):
                break
            if held_up is not None and work.load != held_up:
                continue
            held = {engine: self.of(engine) for engine in engines}
            full = {engine for engine, its in held.items() if len(its) >= self.most}
            able = [engine for engine in engines if engine not in full and self._suits(work, held[engine])]
            if able:
                engine = min(able, key=lambda one: (sum(it.request[1].n for it in held[one]), one))
                self.waiting.remove(work)
                work.engine = engine
                self.given.append(work)
                dealt.append((engine, work))
            else:
                held_up = work.load
        return dealt

    def of(self, engine: int) -> list[Work]:
        """What an engine has."""
        return [work for work in self.given if work.engine == engine]

    def finished(self, engine: int, ticket: int, responses: tuple[Response, ...]) -> bool:
        """Take what was drawn; False where another engine has that work by now, or nobody wants it."""
        work = self._find(engine, ticket)
        if work is None:
            return False
        self.given.remove(work)
        if not work.done:
            work.responses = responses
        return True

    def drop(self, engine: int, ticket: int) -> None:
        """It is not wanted any more."""
        if (work := self._find(engine, ticket)) is not None:
            self.given.remove(work)

    def lost(self, engine: int) -> list[Work]:
        """An engine is gone: what it had waits again."""
        back = self.of(engine)
        self.given = [work for work in self.given if work.engine != engine]
        for work in back:
            work.engine = None
        self.waiting = sorted([*self.waiting, *(work for work in back if not work.done)], key=lambda work: work.ticket)
        return back

    def needed(self, loads: Mapping[int, object]) -> set[int]:
        """The loads whose weights somebody may still have to be sent: the newest, and those of unfinished work."""
        newest = {max(loads)} if loads else set()
        return newest if self.at_once else newest | {work.load for work in (*self.waiting, *self.given)}

    def load_for(self, work: Work, loads: Mapping[int, object]) -> int:
        """Which load a work is drawn from: its own, or where weights are taken at once the newest."""
        return max(loads) if self.at_once else work.load

    def _suits(self, work: Work, held: list[Work]) -> bool:
        return self.at_once or all(other.load == work.load for other in held)

    def _find(self, engine: int, ticket: int) -> Work | None:
        return next((work for work in self.given if work.engine == engine and work.ticket == ticket), None)


class Sender(Protocol):
    """What a handle needs of its engine."""

    def send_off(self) -> None:
        """Put what was submitted since the last time into the queue."""
        ...

    def wait(self, until: Callable[[], bool]) -> None:
        """Until something has come; raises what became of it else."""
        ...

    def cancel(self, work: Work) -> None:
        """It is not wanted any more."""
        ...


@dataclass(eq=False, slots=True)
class QueuedHandle:
    """Responses that some engine draws. Its tokens come all at once, when they are finished."""

    engine: Sender
    work: Work

    def start(self) -> None:
        self.engine.send_off()

    def result(self) -> tuple[Response, ...]:
        self.engine.send_off()
        self.engine.wait(lambda: self.work.done)
        if self.work.responses is None:
            raise RuntimeError("these responses were cancelled")
        return self.work.responses

    def cancel(self) -> None:
        if self.work.responses is None:
            self.work.cancelled = True
            self.engine.cancel(self.work)

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        for j, response in enumerate(self.result()):
            yield j, response.token_ids_T.tolist()
