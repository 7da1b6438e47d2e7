"""What limits a step on a cluster, in words, and what more engines or learners would be worth."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

from groupthink.insight.plan.cluster.rates import Groups, Layout, Rates, Sending
from groupthink.insight.plan.cluster.simulate import Course, simulate
from groupthink.run.printable import duration

WAITING = 0.05
"""The share of a step that learners wait for responses, below which learning does not wait."""

IDLE = 0.1
"""The share of time that engines have nothing to do, below which they are at work."""

GAIN = 0.05
"""The share of a step that twice as many engines must save to be worth having."""

MOST = 1024
"""Engines, more than which nobody is advised to have."""


@dataclass(frozen=True, slots=True)
class Row:
    """Row(engines=4, seconds=6.1, engines_idle=0.4, learners_idle=0.05)"""

    engines: int
    seconds: float  # of a step
    engines_idle: float  # the share of time
    learners_idle: float

    @classmethod
    def of(cls, engines: int, course: Course) -> "Row":
        return cls(engines, course.seconds, course.idle, 1 - course.share("learn"))


@dataclass(frozen=True, slots=True)
class Verdict:
    seconds: float  # of a step
    shares: dict[str, float]  # of it, by what the driver is at: generate (which is waiting), score, learn, sync, record
    engines_idle: float
    learners_idle: float
    bottleneck: str  # engines, learners, turns, sync, score or record
    words: str
    worth: int  # the fewest engines with which learning never waits; without a lag, past which more gain little
    table: tuple[Row, ...]


class Cluster:
    """Simulated steps of one run, for any layout: each is simulated once."""

    def __init__(self, rates: Rates, layout: Layout, steps: Sequence[Groups]):
        self.rates, self.layout, self.steps = rates, layout, steps
        self._known: dict[Layout, Course] = {}

    def course(self, *, engines: int = 0, learners: int = 0, lag: int | None = None) -> Course:
        """With so many of them; what is left out is as it is."""
        its = self.layout
        asked = replace(
            its,
            engines=engines or its.engines,
            learners=learners or its.learners,
            lag=its.lag if lag is None else lag,
        )
        if asked not in self._known:
            self._known[asked] = simulate(self.rates, asked, self.steps)
        return self._known[asked]

    def worth(self, *, learners: int = 0) -> int:
        """The fewest engines with which learning never waits for them; without a lag it always does, and then the
        fewest of which twice as many would save little."""

        def enough(engines: int) -> bool:
            course = self.course(engines=engines, learners=learners)
            if self.layout.lag and course.share("generate") < WAITING:
                return True
            twice = self.course(engines=2 * engines, learners=learners)
            return twice.seconds > (1 - GAIN) * course.seconds

        return fewest(enough, min(MOST, len(self.steps[0]) * (1 + self.layout.lag)))

    def waits_for_weights(self) -> bool:
        """Whether a step would be shorter, were weights everywhere at once."""
        at_once = simulate(replace(self.rates, sending=Sending()), self.layout, self.steps)
        return at_once.seconds < (1 - GAIN) * self.course().seconds

    def table(self) -> tuple[Row, ...]:
        """For engines 1, 2, 4, ... and those of the recipe, as far as more are worth having."""
        last, counts = max(self.worth(), self.layout.engines), {self.layout.engines}
        count = 1
        while count < 2 * last:
            counts.add(count)
            count *= 2
        return tuple(Row.of(count, self.course(engines=count)) for count in sorted(counts))

    def verdict(self) -> Verdict:
        course, worth = self.course(), self.worth()
        what, words = self._words(course, worth)
        return Verdict(
            seconds=course.seconds,
            shares={phase: course.share(phase) for phase in PHASES},
            engines_idle=course.idle,
            learners_idle=1 - course.share("learn"),
            bottleneck=what,
            words=words,
            worth=worth,
            table=self.table(),
        )

    def _words(self, course: Course, worth: int) -> tuple[str, str]:
        its = self.layout
        beside = max(("sync", "score", "record"), key=course.share)
        if course.share(beside) > max(course.share("generate"), course.share("learn")):
            return beside, f"{_percent(course.share(beside))} of a step are {BESIDE[beside]}"
        if not its.lag:
            return self._in_turns(course, worth)
        seconds = self.course(engines=worth).seconds
        if course.share("generate") >= WAITING and worth > its.engines and seconds < (1 - GAIN) * course.seconds:
            return "engines", (
                f"learning waits for responses {_percent(course.share('generate'))} of the time: the engines are the "
                f"bottleneck; with {worth} engines a step takes {duration(seconds)}"
            )
        if course.share("generate") >= WAITING:
            why = "the way of the weights to them" if self.waits_for_weights() else "the longest responses"
            return "engines", (
                f"learning waits for responses {_percent(course.share('generate'))} of the time, and more engines "
                f"would change little: what decides is {why}"
            )
        if course.idle < IDLE:
            return "learners", "engines and learners are at work nearly all of the time"
        more = self._learners()
        advice = f"; with {more} learners a step takes {duration(self.course(learners=more).seconds)}"
        return "learners", (
            f"engines are idle {_percent(course.idle)} of the time: the learners are the bottleneck"
            + (advice if more > its.learners else "")
        )

    def _in_turns(self, course: Course, worth: int) -> tuple[str, str]:
        """Engines and learners wait for each other: what is longer is to be shortened, or both go on at once."""
        drawing = course.share("generate") >= course.share("learn")
        what, share = ("drawing", "generate") if drawing else ("learning", "learn")
        ahead = self.course(lag=1).seconds
        words = [
            f"engines and learners take turns (rollout.lag=0), and {what} is {_percent(course.share(share))} of a step"
        ]
        if drawing and (faster := self.course(engines=worth).seconds) < (1 - GAIN) * course.seconds:
            words.append(f"with {worth} engines a step takes {duration(faster)}")
        if not drawing and (more := self._learners()) > self.layout.learners:
            words.append(f"with {more} learners it takes {duration(self.course(learners=more).seconds)}")
        if ahead < (1 - GAIN) * course.seconds:
            words.append(f"with stage=grpo_async rollout.lag=1 it takes {duration(ahead)}")
        return "turns", "; ".join(words)

    def _learners(self) -> int:
        """How many learn as fast as the engines draw; as many as there are where more are no faster."""
        its, learn = self.layout, self.course().mean("learn")
        drawing = max(self.course().mean("drawing"), 1e-9)
        more = max(its.learners + 1, min(2 * its.learners, ceil(its.learners * learn / drawing)))
        faster = self.course(learners=more).seconds < (1 - GAIN) * self.course().seconds
        return more if faster else its.learners


PHASES = ("generate", "score", "learn", "sync", "record")
BESIDE = {
    "sync": "the way of the weights to the engines: fewer of them, or a faster network between machines, shorten it",
    "score": "scoring: scale.rewards has several workers do it",
    "record": "writing down what was drawn",
}


def fewest(enough: Callable[[int], bool], most: int) -> int:
    """The first number that is enough, where all after it are, or up to an eighth more; `most` where none before it is.

    >>> fewest(lambda n: n * n > 50, 100), fewest(lambda n: n > 50, 100)
    (8, 56)
    """
    high = 1
    while high < most and not enough(high):
        high = min(2 * high, most)
    low = high // 2
    while high - low > max(1, high // 8):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
