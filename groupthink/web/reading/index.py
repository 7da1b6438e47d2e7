"""A row for each group of a run: which problem, how it went, and how far its responses go. So a problem is found among
thousands of steps at once, and the steps with the highest rewards or the longest responses are read first.

It is made from the rollouts, as many as there is time for, and kept in the user's cache directory, a file for each run:
nothing is written into a run, and whoever deletes the file loses a few seconds. Rollouts that are others than those it
was made from (a resume makes steps again) are read anew.
"""

import atexit
import queue
import threading
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groupthink.web.reading.cache import Stored, load, store
from groupthink.web.reading.chains import excerpt
from groupthink.web.reading.numbers import orderable
from groupthink.web.reading.rows import Rows, looks, read_rows

UNKNOWN, MIXED, RIGHT, WRONG = range(4)
KINDS = ("unknown", "mixed", "right", "wrong")
"""How a group went: all responses right, or all wrong, or some of them, where anybody knows."""

COLUMNS = ("problem", "task", "prompt", "response", "reward", "parts", "sampled")
EXCERPT = 300
"""Characters of a prompt that are kept."""

SAVED = 64
"""Steps read anew after which the file is written."""

BIT = 0.1
"""Seconds for which it is read at a time, where nobody waits for it."""

IDLE = 50
"""Rounds that read nothing more after which nobody goes on by themselves: a file is listed that nobody can read."""

ENDS_WITHIN = 5.0
"""Seconds for which the end of the process waits for the step that is being read."""

MOST = 16
"""Runs whose index is held in memory: some 4 MB for 60,000 groups."""


@dataclass(frozen=True, eq=False, slots=True)
class Groups:
    """The groups of the steps that were read, in order; `problem` is a place in `names`, `tasks` and `prompts`."""

    step: np.ndarray  # int64
    group: np.ndarray  # int64, its place in the step
    problem: np.ndarray  # int64
    mean: np.ndarray  # float64, of the rewards
    right: np.ndarray  # int64, responses that are right ...
    judged: np.ndarray  # int64, ... of those of which somebody knows
    size: np.ndarray  # int64, responses
    length: np.ndarray  # float64, mean tokens
    longest: np.ndarray  # float64, the most tokens of a response
    best: np.ndarray  # float64, the highest reward, as `orderable` has it ...
    best_wrong: np.ndarray  # ... and the highest of a wrong response, -inf where none is
    names: list[str]
    tasks: list[str]
    prompts: list[str]
    steps: int  # that were read ...
    of: int  # ... of those that are there

    @property
    def kind(self) -> np.ndarray:
        """Of each group, a place in KINDS."""
        return kinds_of(self.right, self.judged)

    @property
    def rate(self) -> np.ndarray:
        """The share of right responses, NaN where nobody knows."""
        return np.where(self.judged > 0, self.right / np.maximum(self.judged, 1), np.nan)


FIGURES = ("problem", "mean", "right", "judged", "size", "length", "longest", "best", "best_wrong")
"""What is held of each group of a step."""

Step = dict[str, np.ndarray]


def kinds_of(right: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """A place in KINDS for each group, of `judged` responses with a verdict of which so many are `right`."""
    return np.select([judged == 0, right == judged, right == 0], [UNKNOWN, RIGHT, WRONG], MIXED)


def groups_of(place: Path, seconds: float | None = None) -> Groups:
    """The groups of the run in `place`, after reading what is new for at most so many seconds (None: all of it)."""
    with _lock:
        index = _held.pop(place, None) or _Index(place)
        _held[place] = index
        while len(_held) > MOST:
            _held.popitem(last=False)
    return index.updated(seconds)


def warm(place: Path, stopped: threading.Event) -> None:
    """Read all that is new of a run, bit by bit, so that whoever asks meanwhile does not wait. For a thread."""
    before = idle = 0
    while not stopped.is_set() and idle < IDLE:
        groups = groups_of(place, BIT)
        if groups.steps >= groups.of:
            return
        before, idle = groups.steps, idle + 1 if groups.steps == before else 0
        stopped.wait(BIT / 10)


class Warmed:
    """Reads runs ahead of who asks for their problems: one after the other, in a thread that ends with this process."""

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[Path | None] = queue.SimpleQueue()
        self._stopped = threading.Event()
        self._asked: set[Path] = set()
        self._lock = threading.Lock()
        self._begun = False

    def ask(self, place: Path) -> None:
        """Have a run read, unless it is being read."""
        with self._lock:
            if place in self._asked:
                return
            self._asked.add(place)
            if not self._begun:
                self._begun = True
                thread = threading.Thread(target=self._work, name="warm", daemon=True)
                thread.start()
                atexit.register(self._end, thread)
        self._wanted.put(place)

    def _end(self, thread: threading.Thread) -> None:
        """The process would abort, were pyarrow still at work for the thread when the interpreter is taken down."""
        self._stopped.set()
        self._wanted.put(None)
        thread.join(ENDS_WITHIN)

    def _work(self) -> None:
        while (place := self._wanted.get()) is not None:
            with suppress(LookupError, ValueError, OSError):  # whoever asks for it is told
                warm(place, self._stopped)
            with self._lock:
                self._asked.discard(place)


class _Index:
    def __init__(self, place: Path):
        self._place = place
        self._lock = threading.Lock()
        self._looks: dict[int, tuple[int, int]] = {}
        self._steps: dict[int, Step] = {}
        self._numbers: dict[str, int] = {}  # of problems
        self._tasks: list[str] = []
        self._prompts: list[str] = []
        self._unsaved = 0
        self._loaded = False
        self._groups: Groups | None = None

    def updated(self, seconds: float | None) -> Groups:
        with self._lock:
            if not self._loaded:
                self._load()
            there = looks(self._place)
            until = (
                None if seconds is None else time.monotonic() + seconds
            )  # at least one is read, however many there are
            gone = [step for step, seen in self._looks.items() if there.get(step) != seen]
            for step in gone:
                del self._looks[step], self._steps[step]
            missing = [step for step in sorted(there) if step not in self._looks]
            for step in missing:
                if until is not None and time.monotonic() > until:
                    break
                self._add(step, there[step])
            if self._unsaved >= SAVED:
                self._save()
            if gone or missing or self._groups is None:
                self._groups = self._gathered(len(there))
            return self._groups

    def _add(self, step: int, seen: tuple[int, int]) -> None:
        try:
            self._steps[step] = self._figures(read_rows(self._place, step, COLUMNS))
        except LookupError:  # it has just been removed
            return
        except ValueError:  # it is damaged, and has nothing to say
            self._steps[step] = {name: np.zeros(0) for name in FIGURES}
        self._looks[step] = seen
        self._unsaved += 1

    def _figures(self, rows: Rows) -> Step:
        starts = rows.starts
        first, size = starts[:-1], np.diff(starts)
        if not len(first):
            return {name: np.zeros(0) for name in FIGURES}
        right, rewards, lengths = rows.right, rows.numbers("reward"), rows.lengths.astype(np.float64)
        ordered = orderable(rewards)
        whole = np.append(0, first[1:])  # of what is highest nothing is left out, should a group begin in the middle
        problems = [self._number(rows, row) for row in first.tolist()]
        return {
            "problem": np.array(problems, np.int64),
            "mean": np.add.reduceat(rewards, first) / size,
            "right": np.add.reduceat((right == 1).astype(np.int64), first),
            "judged": np.add.reduceat((~np.isnan(right)).astype(np.int64), first),
            "size": size,
            "length": np.add.reduceat(lengths, first) / size,
            "longest": np.maximum.reduceat(lengths, whole),
            "best": np.maximum.reduceat(ordered, whole),
            "best_wrong": np.maximum.reduceat(np.where(right == 0, ordered, -np.inf), whole),
        }

    def _number(self, rows: Rows, row: int) -> int:
        name = str(rows.value("problem", row))
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._numbers)
            self._tasks.append(str(rows.value("task", row) or ""))
            self._prompts.append(excerpt(rows.value("prompt", row) or "", EXCERPT))
        return number

    def _gathered(self, of: int) -> Groups:
        steps = sorted(self._steps)
        sizes = [len(self._steps[step]["problem"]) for step in steps]
        columns = {
            name: np.concatenate([self._steps[step][name] for step in steps]) if steps else np.zeros(0)
            for name in FIGURES
        }
        whole = {name: columns[name].astype(np.int64) for name in ("problem", "right", "judged", "size")}
        return Groups(
            step=np.repeat(np.array(steps, np.int64), sizes),
            group=np.concatenate([np.arange(size) for size in sizes]) if sizes else np.zeros(0, np.int64),
            **{**columns, **whole},
            names=list(self._numbers),
            tasks=list(self._tasks),
            prompts=list(self._prompts),
            steps=len(steps),
            of=of,
        )

    def _load(self) -> None:
        self._loaded = True
        found = load(self._place)
        if found is None:
            return
        self._numbers = {name: number for number, name in enumerate(found.names)}
        self._tasks, self._prompts = found.tasks, found.prompts
        self._steps, self._looks = found.steps, found.looks

    def _save(self) -> None:
        self._unsaved = 0
        store(self._place, Stored(self._looks, self._steps, list(self._numbers), self._tasks, self._prompts))


_held: OrderedDict[Path, _Index] = OrderedDict()
_lock = threading.Lock()
