"""A measured program's side of a comparison: it takes one step each time it is asked to.

The program that compares writes a line for each step that it wants, and reads an answer in JSON. While
one side steps, the other waits for a line and uses no processor time.
"""

import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Spec:
    """What both sides are asked to do alike."""

    model: str  # a folder in Hugging Face format
    problems: int  # to a step
    group_size: int  # responses to each problem
    max_tokens: int  # of a response
    kl: float  # weight of the KL divergence to a reference in the loss
    learning_rate: float  # so small that both sides go on sampling from almost the same model
    steps: int  # the turns that there may be
    seed: int
    core: int | None  # the processor core to stay on; None: any, as where the system lets nobody choose
    threads: int = 1  # of torch's operations
    processes: int = 1  # that groupthink works with
    updates: int = 1  # of the weights, to a step
    warmup: int = 0  # steps over which the learning rate rises to that
    schedule: str = "constant"  # how it goes on from there; or "linear": it falls, to 0 after `steps`
    device: str = "cpu"  # or cuda
    dtype: str = "float32"  # what is computed in
    rules: bool = True  # the task's rewards; else numbers that look like chance: random weights never earn others

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        return cls(**json.loads(text))


class Turns:
    """The line to the program that compares. What libraries print goes to stderr instead."""

    def __init__(self, save: Callable[[str], object] = print) -> None:
        self.save = save  # the model, into a folder
        self._answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def asked(self) -> bool:
        """Wait until a step is asked for; False where there will be none. Save the model where that is asked."""
        while (line := sys.stdin.readline()).startswith("save "):
            self.save(line.removeprefix("save ").rstrip("\n"))
            self.answer()
        return bool(line)

    def answer(self, **figures: Any) -> None:
        print(json.dumps(figures), file=self._answers, flush=True)


class Phases:
    """Processor and wall-clock seconds since `start`, and the processor seconds of its named parts."""

    def __init__(self) -> None:
        self.start()

    def start(self) -> None:
        self._cpu, self._wall = cpu_seconds(), time.perf_counter()
        self._parts: dict[str, float] = defaultdict(float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        before = cpu_seconds()
        yield
        self._parts[name] += cpu_seconds() - before

    def figures(self) -> dict[str, Any]:
        cpu = cpu_seconds() - self._cpu
        rest = {"rest": cpu - sum(self._parts.values())}
        return {"cpu": cpu, "wall": time.perf_counter() - self._wall, "phases": {**self._parts, **rest}}


def lot(token_ids: Sequence[int]) -> float:
    """A number from 0 to 1 that depends on all of a response, and on nothing else."""
    return hash(tuple(token_ids)) % 1000 / 999


def cpu_seconds() -> float:
    """The processor time that this process has used: all its threads, and the children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def keep_to_core(core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(0, {core})
