"""An engine that draws in a process of its own, from its own copy of the weights, while this one learns.

    submit, submit, start   what was submitted goes to the process in one message, and is drawn whoever waits
    load                    writes the weights into a file of their own; the process takes them when their turn comes
    result                  waits; a process that is dead or silent is replaced by another, which is sent again all that
                            is unfinished, after the weights that it was to be drawn from

So what is drawn from which version is decided by the order of calls, and is the same after a restart.
"""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from groupthink.model.shared_tensors import SharedTensors
from groupthink.model.unnamed_files import UnnamedFiles
from groupthink.model.workers import WorkerGone, Workers
from groupthink.records import Weights
from groupthink.rollout.ahead_worker import draw_ahead
from groupthink.rollout.engine import Sampling
from groupthink.rollout.remote import OPENING, RemoteHandle, describe, require_few
from groupthink.rollout.sync import different, require_fresh, require_version
from groupthink.rollout.torch_engine import TorchEngine


@dataclass(eq=False, slots=True)
class Load:
    """Weights that the process draws from, from its next run on."""

    version: int
    buffer: int  # which file holds them
    checksum: int
    taken: bool = False  # the process draws from them, or has done

    @property
    def message(self) -> tuple[Any, ...]:
        return "load", self.version, self.buffer, self.checksum


@dataclass(eq=False, slots=True)
class Run:
    """Prompts that are drawn from together."""

    ticket: int
    handles: list[RemoteHandle]

    @property
    def message(self) -> tuple[Any, ...]:
        return "run", self.ticket, [handle.request for handle in self.handles]


class AheadEngine:
    """`like` is an engine of the same model, which is asked how to draw and draws nothing.

    `lag` is how many loads may be on their way while an earlier run is unfinished. As many copies of the weights are
    kept, one that the run is drawn from, and one to write to. `at_once`: unfinished responses go on under newer ones.
    `patience`: seconds without a sign of life after which the process counts as hung. Raises EngineFailed after three
    failures of it in a row.
    """

    def __init__(self, like: TorchEngine, *, lag: int, at_once: bool, patience: float, threads: int = 1):
        self.like, self.at_once, self.patience, self.threads = like, at_once, patience, threads
        self.tensors = {name: tensor.detach().cpu() for name, tensor in like.model.named_parameters()}
        self.buffers: list[SharedTensors] = []
        self.copies = lag + 2
        self.log: list[Load | Run] = []  # what the process is at, or has still to do; a Load before its runs
        self.collected: list[RemoteHandle] = []  # submitted and not yet sent
        self.failures: list[str] = []  # since something was last finished
        self.restarts: list[str] = []
        self.heard = 0.0  # time.monotonic() of the process's last message
        self._tickets = itertools.count()
        self._begin()
        self.load(Weights(like.version, self.tensors))

    # -- the protocol --

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> RemoteHandle:
        self.like.room(prompt_ids)  # refuses what cannot be answered
        self.collected.append(RemoteHandle(self, 0, (prompt_ids, sampling, seed)))
        return self.collected[-1]

    def load(self, weights: Weights) -> None:
        """Raises ValueError where the weights are not this model's."""
        self.like.require_own(weights)
        self.send_off()
        while not (free := set(range(self.copies)) - {it.buffer for it in self.log if isinstance(it, Load)}):
            self.advance(0)
        buffer = min(free)
        self.newest = Load(weights.version, buffer, self.buffers[buffer].write(weights.tensors))
        self._send(self.newest)

    def verify(self, weights: Weights) -> None:
        """Of what is submitted from now on. The process looks for itself, when it takes them, at what it was sent."""
        require_version(weights.version, self.newest.version)
        held = self.buffers[self.newest.buffer].tensors
        stale = different(held.items(), ((name, weights.tensors[name]) for name in held))
        require_fresh(stale, weights.version)

    def release(self) -> None:
        self.send_off()
        while any(isinstance(it, Run) for it in self.log):
            self.advance(0)
        self._tell(("release",))

    def close(self) -> None:
        for handle in [*self.collected, *(one for it in self.log if isinstance(it, Run) for one in it.handles)]:
            handle.cancel()
        self.log, self.collected = [], []
        self.workers.close()
        self._mapped.close()

    # -- what handles ask for --

    def send_off(self) -> None:
        """Send what was submitted since the last time."""
        handles, self.collected = [one for one in self.collected if not one.cancelled], []
        if handles:
            self._send(Run(next(self._tickets), handles))

    def advance(self, worker: int) -> None:
        """Wait for a message of the process (the only one) and take it in; replace it where none will come."""
        self.send_off()
        try:
            self.workers.wait(worker, 0.2)
            message = self.workers.receive(worker, self.heard)
        except WorkerGone as gone:
            self._replace(str(gone))
            return
        if message is not None:
            self.heard = time.monotonic()
            self._take(message)

    # -- the process --

    def _send(self, it: Load | Run) -> None:
        if not any(isinstance(other, Run) for other in self.log):
            self.heard = time.monotonic()  # it had nothing to say
        self.log.append(it)
        self._tell(it.message)

    def _tell(self, message: tuple[Any, ...]) -> None:
        try:
            self.workers.send(0, message)
        except WorkerGone as gone:
            self._replace(str(gone))  # which tells the next one what is in the log

    def _take(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("ready",):
                self._mapped.close()  # what is mapped stays
                self.workers.silence = self.patience
            case ("alive",):
                pass
            case ("loaded", buffer):
                next(it for it in self.log if isinstance(it, Load) and it.buffer == buffer).taken = True
            case ("done", ticket, responses):
                run = next(it for it in self.log if isinstance(it, Run) and it.ticket == ticket)
                for handle, its in zip(run.handles, responses, strict=True):
                    handle.responses = its
                self.log.remove(run)
                self.failures = []
            case _:
                raise AssertionError(f"no such message: {message[0]}")
        self._forget()

    def _forget(self) -> None:
        """Loads that another follows, and that no unfinished run needs; their files may be written again."""
        pairs = itertools.pairwise([*self.log, None])
        idle = [it for it, after in pairs if isinstance(it, Load) and it.taken and isinstance(after, Load)]
        self.log = [it for it in self.log if it not in idle]

    def _begin(self) -> None:
        """Start a process, and let it map the weights."""
        self._mapped = UnnamedFiles()  # until the process has mapped them
        paths = [self._mapped.path(f"weights-{place}") for place in range(self.copies)]
        before, self.buffers = self.buffers, [SharedTensors(path, self.tensors) for path in paths]
        for old, new in zip(before, self.buffers, strict=False):
            new.write(old.tensors)
        self.workers = Workers(1, draw_ahead, "rollout", silence=max(self.patience, OPENING))
        self.heard = time.monotonic()
        self.workers.send(0, (paths, self.at_once, self.threads, describe(self.like)))

    def _replace(self, gone: str) -> None:
        """Another process, told all that is unfinished."""
        while True:
            self.workers.close(patience=0)
            self._mapped.close()
            self.failures.append(gone)
            require_few(self.failures)
            self.restarts.append(gone)
            try:
                self._begin()
                for it in self.log:
                    self.workers.send(0, it.message)
                return
            except WorkerGone as again:
                gone = str(again)
