"""Watches what people wrote while it judges: how long it takes, and where it raises. What raises does not count."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any

from groupthink.insight.trials.seen import Failure, Timing
from groupthink.records import Group, Problem, Response
from groupthink.reward.accuracy import rule_of
from groupthink.reward.functions import Reward
from groupthink.reward.places import Places
from groupthink.run.printable import printable
from groupthink.task.answer import Rule
from groupthink.task.scoring import Assessment, assess
from groupthink.task.verdict import Verdict

VERDICT = "accuracy"
"""The part of a reward that the task's own verdict decides."""

PATIENCE = 30.0
"""Seconds after which it is told what is being waited for: a user's function may never end."""

LONGEST_ERROR = 160  # characters
LONGEST_ANSWER = 40
WHOLE = "a whole group, and no response of it by itself"


class _Heard(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


@contextmanager
def logged() -> Iterator[list[str]]:
    """What the rewards log inside, in place of the log: a server that is down is no news for each response anew."""
    log, heard = logging.getLogger("groupthink.reward"), _Heard()
    before = log.propagate
    log.addHandler(heard)
    log.propagate = False
    try:
        yield heard.said
    finally:
        log.removeHandler(heard)
        log.propagate = before


class Watch:
    """Notes of the rewards of one judge. `tell` hears of one that takes very long."""

    def __init__(self, tell: Callable[[str], None]):
        self.tell = tell
        self.cases: dict[Response, str] = {}
        """What each response is called in a note."""
        self.failures: list[Failure] = []
        self._usual: dict[str, list[tuple[int, float]]] = {}  # responses that were asked about together, and seconds
        self.alone: dict[str, list[tuple[float, str]]] = {}
        """Of each part, how many seconds it took for each case that was tried by itself."""
        self._case: str | None = None  # the one that is tried by itself
        self._one = Places(1)

    def by_itself(self, case: str | None) -> None:
        """What is judged next is this one case, which may take long; None: it is ordinary responses again."""
        self._case = case

    def reward(self, name: str, reward: Reward) -> Reward:
        """The same reward, watched. Only one is asked at a time, so that it is its own time that is measured."""

        async def watched(group: Group) -> Any:
            async with self._one:
                with _patience(self.tell, name, group):
                    began = time.perf_counter()
                    try:
                        values = await reward(group)
                    except Exception as error:  # whatever a user's function raises
                        return await self._one_by_one(name, reward, group, error)
                    self.took(name, len(group.responses), time.perf_counter() - began)
                    return values

        return watched

    async def _one_by_one(self, name: str, reward: Reward, group: Group, raised: Exception) -> list[Any]:
        """A group that made a reward raise: which of its responses did?"""
        values: list[Any] = []
        before = len(self.failures)
        for response in group.responses:
            try:
                values += await reward(Group(group.problem, group.prompt_ids, (response,)))
            except Exception as error:
                self.failed(name, self.cases[response], error)
                values.append(None)
        if len(self.failures) == before:
            self.failed(name, WHOLE, raised)
        return values

    def failed(self, name: str, case: str, error: Exception) -> None:
        said = " ".join(printable(f"{type(error).__name__}: {error}").split())
        self.failures.append(Failure(name, case, said if len(said) <= LONGEST_ERROR else said[:LONGEST_ERROR] + "..."))

    def took(self, name: str, responses: int, seconds: float) -> None:
        if self._case is None:
            self._usual.setdefault(name, []).append((responses, seconds))
        else:
            self.alone.setdefault(name, []).append((seconds, self._case))

    def timing(self, per_step: int) -> Mapping[str, Timing]:
        """By the name of each part that was measured; `per_step`: the responses of a step."""
        found = {}
        for name, asked in self._usual.items():
            seconds = median(seconds / responses for responses, seconds in asked)
            slowest, case = max(self.alone.get(name, [(0.0, "")]))
            calls = sum(responses for responses, _ in asked) + len(self.alone.get(name, ()))
            found[name] = Timing(calls, seconds, seconds * per_step, slowest, case)
        return found


@contextmanager
def _patience(tell: Callable[[str], None], name: str, group: Group) -> Iterator[None]:
    """Tells of what does not come to an end while it does not."""
    waited = f"reward {name} has been at {len(group.responses)} responses to {group.problem.id} for {PATIENCE:g} s"
    timer = threading.Timer(PATIENCE, tell, [waited])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


class WatchedTask:
    """A task as its judge sees it (`accuracy.Verifier`), whose verdicts are watched."""

    def __init__(self, task: Any, watch: Watch):
        self.task, self.watch = task, watch
        self._rules: dict[Rule, WatchedRule] = {}

    def verify(self, problem: Problem, text: str, /) -> Verdict:
        began = time.perf_counter()
        try:
            found: Verdict = self.task.verify(problem, text)
        except Exception as error:  # whatever a user's task raises
            shown = printable(text if len(text) <= LONGEST_ANSWER else text[:LONGEST_ANSWER] + "...")
            self.watch.failed(VERDICT, f"the answer {shown!r}", error)
            return Verdict(False, None, "the task's verify raised")
        self.watch.took(VERDICT, 1, time.perf_counter() - began)
        return found

    def assess(self, groups: Sequence[Group], opening: str = "") -> list[list[Assessment] | None]:
        """What the task says of whole responses, where it scores them (`task/scoring.py`)."""
        return assess(self.task, groups, opening)

    def rule_of(self, problem: Problem) -> "WatchedRule | None":
        rule = rule_of(self.task, problem)
        return None if rule is None else self._rules.setdefault(rule, WatchedRule(rule, self.watch))


class WatchedRule:
    """A rule for answers whose time is taken."""

    def __init__(self, rule: Rule, watch: Watch):
        self.rule, self.watch = rule, watch

    def __call__(self, expected: str, text: str) -> Verdict:
        return self.rule(expected, text)

    def many(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        began = time.perf_counter()
        found = self.rule.many(pairs)
        self.watch.took(VERDICT, len(pairs), time.perf_counter() - began)
        return found

    def close(self) -> None:
        self.rule.close()
