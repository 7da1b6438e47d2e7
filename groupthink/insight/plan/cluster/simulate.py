"""Steps of a run on a cluster, event by event: what waits for what, and for how long.

    the driver    asks for groups, waits for those of its step, scores, has learners learn, puts weights, writes down
    the queue     gives prompts to engines, in the order in which they were asked for (as `scale/queue.py` does)
    engines       draw; whole groups come back, so a group's longest response holds its place

Nothing is random here: the same lengths give the same course.
"""

import heapq
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from math import isinf
from operator import sub

from groupthink.insight.plan.cluster.parts import Engine, Errand, Group, Machine, World
from groupthink.insight.plan.cluster.rates import Groups, Layout, Rates

DRIVER = 1.0
"""Cores of the process that composes the steps."""

Wait = Callable[[], bool]
"""What the driver waits for."""


@dataclass(frozen=True, slots=True)
class Step:
    """When a step began and ended, in seconds since the beginning; and what the driver waited for meanwhile."""

    began: float
    ended: float
    generate: float
    score: float
    learn: float
    sync: float
    record: float
    drawing: float  # seconds in which engines were at work, on average over them


@dataclass(frozen=True, slots=True)
class Course:
    """`settled` are the steps that are like those of a long run: before them nothing was ahead, and after them less is
    asked for."""

    steps: tuple[Step, ...]
    settled: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """Of a step."""
        return (self.settled[-1].ended - self.settled[0].began) / len(self.settled)

    def mean(self, phase: str) -> float:
        """Of a step, in seconds."""
        return sum(getattr(step, phase) for step in self.settled) / len(self.settled)

    def share(self, phase: str) -> float:
        return self.mean(phase) / self.seconds

    @property
    def idle(self) -> float:
        """The share of time in which engines have nothing to do."""
        return max(0.0, 1 - self.share("drawing"))


def simulate(rates: Rates, layout: Layout, steps: Sequence[Groups]) -> Course:
    """The course of `steps`, of each of which the lengths of its responses are given."""
    found = tuple(_Run(rates, layout, steps).steps())
    return Course(found, found[layout.lag + 1 : len(found) - layout.lag] or found[-1:])


class _Run:
    def __init__(self, rates: Rates, layout: Layout, lengths: Sequence[Groups]):
        self.rates, self.layout, self.lengths = rates, layout, lengths
        self.world = World()
        self.queue: deque[Group] = deque()
        self.missing = [len(groups) for groups in lengths]  # groups of each step that are not drawn yet
        self.loads = -1  # the newest weights that were put
        taking = rates.sending.taking(len(layout.machines))
        self.engines = [
            Engine(layout.engine_cores, rates.drawing, taking, self._finished) for _ in range(layout.engines)
        ]
        self.learners = [Errand(layout.learner_cores) for _ in range(layout.learners)]
        self.driver = Errand(DRIVER)
        self._settle()
        self._able = [(0, number) for number in range(len(self.engines))]  # by what they have; old entries, too
        self._changed: list[int] = []
        self._numbers = {engine: number for number, engine in enumerate(self.engines)}

    def _settle(self) -> None:
        """Engines and learners over all machines in turn; where cores are no matter, each by itself."""
        machines = [Machine(cores) for cores in self.layout.machines]
        self.world.settle(self.driver, machines[0])
        for parts in (self.engines, self.learners):
            for place, part in enumerate(parts):
                home = machines[place % len(machines)]
                self.world.settle(part, Machine(home.cores) if isinf(home.cores) else home)

    def steps(self) -> list[Step]:
        course, found = self._course(), list[Step]()
        for wait in course:
            if isinstance(wait, Step):
                found.append(wait)
                continue
            self._deal()
            while not wait():
                self.world.step()
                self._deal()
        return found

    def _course(self) -> Generator[Wait | Step, None, None]:
        """What the driver does, as the stages `grpo` and `grpo_async` have it."""
        rates, lag, world, asked = self.rates, self.layout.lag, self.world, 0
        yield from self._load()
        for step in range(len(self.lengths)):
            began, drawn = world.now, self._drawing()
            while asked <= min(step + lag, len(self.lengths) - 1):
                self.queue.extend(Group(asked, self.loads, tuple(lengths)) for lengths in self.lengths[asked])
                asked += 1
            yield partial(self._is_drawn, step)
            times = [world.now]
            yield from self._errand(rates.score)
            times.append(world.now)
            yield from self._learn(rates.tokens(self.lengths[step]))
            times.append(world.now)
            yield from self._load()
            times.append(world.now)
            yield from self._errand(rates.record)
            generate, score, learn, sync, record = map(sub, [*times, world.now], [began, *times])
            drawing = (self._drawing() - drawn) / len(self.engines)
            yield Step(began, world.now, generate, score, learn, sync, record, drawing)

    def _learn(self, tokens: float) -> Generator[Wait, None, None]:
        seconds = self.rates.learning.seconds(tokens, len(self.learners))
        for learner in self.learners:
            self.world.change(learner, partial(learner.begin, seconds))
        yield lambda: all(learner.done for learner in self.learners)

    def _load(self) -> Generator[Wait, None, None]:
        """Weights are put; without a lag all engines have them before the next step begins."""
        yield from self._errand(self.rates.sending.put / len(self.learners))
        self.loads += 1
        for engine in self.engines:
            if engine.free or self.layout.at_once:
                self._take(engine, self.loads)
        if not self.layout.lag:
            yield lambda: all(engine.load == self.loads and not engine.debt for engine in self.engines)

    def _errand(self, seconds: float) -> Generator[Wait, None, None]:
        self.world.change(self.driver, partial(self.driver.begin, seconds))
        yield lambda: self.driver.done

    def _is_drawn(self, step: int) -> bool:
        return not self.missing[step]

    def _drawing(self) -> float:
        for engine in self.engines:
            self.world.homes[engine].advance(self.world.now)
        return sum(engine.busy for engine in self.engines)

    # -- who draws what --

    def _finished(self, engine: Engine, group: Group) -> None:
        self.missing[group.step] -= 1
        self._changed.append(self._numbers[engine])

    def _deal(self) -> None:
        """Prompts in their order, to who has the fewest responses to draw; one that draws from older weights goes on
        with these alone, and while the first prompt waits for such an engine, nobody is given a later one."""
        for number in self._changed:
            changed = self.engines[number]
            heapq.heappush(self._able, (changed.responses, number))
            if changed.free and not self.queue:
                self._take(changed, self.loads)
        self._changed.clear()
        while self.queue and (engine := self._next(self.queue[0].load)) is not None:
            group = self.queue.popleft()
            if engine.load != group.load and not self.layout.at_once:
                self._take(engine, group.load)
            self.world.change(engine, partial(engine.give, group))
            heapq.heappush(self._able, (engine.responses, self._numbers[engine]))

    def _next(self, load: int) -> Engine | None:
        """Who draws from these weights next. An engine that has too much, or work of older weights, is heard of again
        when it has finished some."""
        while self._able:
            held, number = heapq.heappop(self._able)
            engine = self.engines[number]
            if held == engine.responses and engine.held < self.layout.prompts and self._suits(engine, load):
                return engine
        return None

    def _suits(self, engine: Engine, load: int) -> bool:
        return self.layout.at_once or not engine.held or engine.load == load

    def _take(self, engine: Engine, load: int) -> None:
        if engine.load != load:
            self.world.change(engine, partial(engine.take, load))
