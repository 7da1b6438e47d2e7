"""Runs whose steps are taken one at a time, several in turn."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as parquet
from plan import REPOSITORY, environment

from groupthink.insight.plan.cluster.rates import Groups


@dataclass(frozen=True, slots=True)
class Taken:
    """A step that was taken."""

    seconds: float
    phases: dict[str, float]
    lengths: Groups
    prompt: float  # tokens of a prompt, on average

    @property
    def tokens(self) -> float:
        return sum(map(sum, self.lengths)) + self.prompt * len(self.lengths)


class Run:
    """A process that takes a step when it is asked to."""

    def __init__(self, folder: Path, words: Sequence[str]):
        self.folder, self.steps = folder, 0
        command = [sys.executable, str(REPOSITORY / "bench/scale_run.py"), str(folder), *words]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=environment()
        )
        self._read()

    def step(self) -> Taken:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        told = self._read()
        columns = ["response", "prompt_ids", "token_ids"]
        rows = parquet.read_table(self.folder / f"rollouts/step-{self.steps:06d}.parquet", columns=columns).to_pylist()
        self.steps += 1
        starts = [place for place, row in enumerate(rows) if row["response"] == 0]
        groups = [rows[start:end] for start, end in pairwise([*starts, len(rows)])]
        phases = {name: told[f"time/{name}"] for name in ("generate", "score", "learn", "sync")}
        prompts = [len(its[0]["prompt_ids"]) for its in groups]
        lengths = [[len(row["token_ids"]) for row in its] for its in groups]
        return Taken(told["seconds"], phases, lengths, sum(prompts) / len(prompts))

    def _read(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the run in {self.folder} ended:\n{self._errors.read()}")
        return json.loads(line)

    def close(self) -> None:
        """End it, and what it has begun: a run that is told to ends well."""
        self._process.terminate()
        self._process.communicate(timeout=300)
        self._errors.close()


@contextmanager
def running(folder: Path, words: Sequence[str]) -> Iterator[Run]:
    """The first step, in which much is loaded, is taken."""
    run = Run(folder, words)
    try:
        run.step()
        yield run
    finally:
        run.close()


def in_turn(runs: Sequence[Run], steps: int) -> list[list[Taken]]:
    """Each run takes a step while the others wait; who is first takes turns, too."""
    taken: list[list[Taken]] = [[] for _ in runs]
    for step in range(steps):
        places = range(len(runs))
        for place in places if step % 2 else reversed(places):
            taken[place].append(runs[place].step())
    return taken
