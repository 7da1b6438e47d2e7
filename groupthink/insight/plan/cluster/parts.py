"""Parts at work on machines, event by event: an engine's rows, and errands that take so many seconds.

Those of one machine that together want more cores than it has are all slowed down alike.
"""

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from groupthink.insight.plan.cluster.rates import Drawing

NOTHING = 1e-9
"""Seconds that are no time: what rounding leaves."""


class Part:
    """`busy` is for how many seconds it was at work, and `left` those until something happens here, at full speed."""

    cores: float
    busy = 0.0

    def left(self) -> float | None:
        """None: it is idle."""
        raise NotImplementedError

    def go(self, seconds: float) -> None:
        """So much has been done, in seconds at full speed."""
        raise NotImplementedError

    def happen(self) -> None:
        """What does, when nothing is left."""
        raise NotImplementedError


class Errand(Part):
    """Something that takes a while: learning, scoring."""

    def __init__(self, cores: float):
        self.cores, self._left = cores, 0.0

    @property
    def done(self) -> bool:
        return not self._left

    def begin(self, seconds: float) -> None:
        self._left += seconds if seconds > NOTHING else 0.0

    def left(self) -> float | None:
        return self._left or None

    def go(self, seconds: float) -> None:
        self._left -= seconds

    def happen(self) -> None:
        self._left = 0.0


@dataclass(eq=False, slots=True)
class Group:
    """A prompt that an engine has, or is to have."""

    step: int
    load: int  # which weights it is drawn from
    lengths: tuple[int, ...]
    missing: int = field(init=False)  # responses that are not finished

    def __post_init__(self) -> None:
        self.missing = len(self.lengths)


class Engine(Part):
    """Draws groups, a token for each row at a time. `finished` is told of each group that is."""

    def __init__(self, cores: float, rate: Drawing, taking: float, finished: Callable[["Engine", Group], None]):
        self.cores, self.rate, self.taking, self.finished = cores, rate, taking, finished
        self.load = -1  # whose weights it has
        self.debt = 0.0  # seconds for weights and prompts, before it goes on drawing
        self.drawn = 0.0  # tokens of each row since the first of them
        self.rows: list[tuple[float, int, Group]] = []  # when each ends, in the count of `drawn`
        self.waiting: deque[Group] = deque()
        self.held = 0  # groups
        self.responses = 0  # of these groups
        self._count = 0

    @property
    def free(self) -> bool:
        return not self.held and not self.debt

    def take(self, load: int) -> None:
        """New weights."""
        self.load = load
        self.debt += self.taking

    def give(self, group: Group) -> None:
        self.held, self.responses = self.held + 1, self.responses + len(group.lengths)
        self.waiting.append(group)
        self._admit()

    def _admit(self) -> None:
        while self.waiting and (not self.rows or len(self.rows) + len(self.waiting[0].lengths) <= self.rate.most):
            group = self.waiting.popleft()
            self.debt += self.rate.prompt
            for length in group.lengths:
                heapq.heappush(self.rows, (self.drawn + length, self._count, group))
                self._count += 1

    def left(self) -> float | None:
        if self.debt:
            return self.debt
        return (self.rows[0][0] - self.drawn) * self._pace() if self.rows else None

    def go(self, seconds: float) -> None:
        if self.debt:
            self.debt -= seconds
        else:
            self.drawn += seconds / self._pace()

    def _pace(self) -> float:
        """Seconds of a token for each row."""
        return max(self.rate.step + self.rate.row * len(self.rows), NOTHING)

    def happen(self) -> None:
        if self.debt:
            self.debt = 0.0
            return
        ended = []
        while self.rows and (self.rows[0][0] - self.drawn) * self._pace() < NOTHING:
            group = heapq.heappop(self.rows)[2]
            group.missing -= 1
            if not group.missing:
                ended.append(group)
        if not self.rows:
            self.drawn = 0.0
        for group in ended:
            self.held, self.responses = self.held - 1, self.responses - len(group.lengths)
        self._admit()
        for group in ended:
            self.finished(self, group)


class Machine:
    """Parts that share `cores`."""

    def __init__(self, cores: float):
        self.cores, self.parts = cores, list[Part]()
        self.stamp = 0  # of what was last reckoned of it
        self._seen = 0.0

    def _speed(self) -> float:
        wanted = sum(part.cores for part in self.parts if part.left() is not None)
        return min(1.0, self.cores / wanted) if wanted else 1.0

    def advance(self, now: float) -> None:
        seconds, speed = now - self._seen, self._speed()
        self._seen = now
        if seconds > 0:
            for part in self.parts:
                if part.left() is not None:
                    part.busy += seconds
                    part.go(seconds * speed)

    def next(self) -> float | None:
        """When something happens here."""
        left = [left for part in self.parts if (left := part.left()) is not None]
        return self._seen + min(left) / self._speed() if left else None

    def happen(self) -> None:
        for part in self.parts:
            left = part.left()
            if left is not None and left < NOTHING:
                part.happen()


class World:
    """Machines, and the time that it is on all of them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.homes: dict[Part, Machine] = {}
        self._events: list[tuple[float, int, int, Machine]] = []
        self._count = 0

    def settle(self, part: Part, machine: Machine) -> None:
        machine.parts.append(part)
        self.homes[part] = machine

    def change(self, part: Part, do: Callable[[], None]) -> None:
        """Do something to a part, at this moment."""
        machine = self.homes[part]
        machine.advance(self.now)
        do()
        self._expect(machine)

    def step(self) -> None:
        """On to whatever happens next, anywhere."""
        while True:
            when, _, stamp, machine = heapq.heappop(self._events)
            if stamp == machine.stamp:
                break
        self.now = max(self.now, when)
        machine.advance(self.now)
        machine.happen()
        self._expect(machine)

    def _expect(self, machine: Machine) -> None:
        machine.stamp += 1
        if (when := machine.next()) is not None:
            self._count += 1
            heapq.heappush(self._events, (when, self._count, machine.stamp, machine))
