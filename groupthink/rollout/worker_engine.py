"""An engine of several processes: this one and its workers, each with a share of the prompts.

    submit, submit, ...   prompt i since the last sending goes to process i % n, never to who is free
    result                sends every worker its share in one message, draws the own share, waits for theirs
    load                  waits until all rest, writes the weights into a file that all have mapped, tells them

A worker that is dead or silent is replaced by another, which is given the weights and the share that is unfinished.

So what a process draws together, and with it every bit of the result, depends on what was asked, not on time.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from groupthink.model.shared_tensors import SharedTensors
from groupthink.model.unnamed_files import UnnamedFiles
from groupthink.model.workers import SILENCE, WorkerGone, Workers
from groupthink.records import Response, Weights
from groupthink.rollout.engine import Engine, Handle, Sampling
from groupthink.rollout.remote import OPENING, RemoteHandle, describe, require_few
from groupthink.rollout.sync import different, require_fresh, require_version
from groupthink.rollout.torch_engine import TorchEngine

FILE = "weights"


@dataclass(eq=False)
class LocalHandle:
    """Responses that this process draws; the workers are sent off first."""

    engine: "WorkerEngine"
    handle: Handle

    def start(self) -> None:
        self.engine.send_off()

    def result(self) -> tuple[Response, ...]:
        self.engine.send_off()
        return self.handle.result()

    def cancel(self) -> None:
        self.handle.cancel()

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        self.engine.send_off()
        yield from self.handle


@dataclass(eq=False)
class Share:
    """What one worker has been given."""

    weights: SharedTensors  # in the file that it has mapped
    file: UnnamedFiles  # that one, until all that map it have
    collected: list[RemoteHandle] = field(default_factory=list)  # not sent yet
    sent: list[RemoteHandle] = field(default_factory=list)  # in the message that awaits its answer
    heard: float = field(default_factory=time.monotonic)  # when its last message came
    ready: bool = False  # it has mapped the weights
    failures: list[str] = field(default_factory=list)  # since it last finished something


class WorkerEngine:
    """An Engine of several processes: `local` in this one, and a `TorchEngine` in each worker.

    `patience`: seconds without a sign of life, after which a worker that draws counts as hung. One that is dead or hung
    is replaced, and the other draws the same. Raises EngineFailed after three failures of a worker in a row, and
    RuntimeError with what a worker has raised itself.
    """

    def __init__(self, local: TorchEngine, workers: Workers, patience: float = SILENCE):
        self.local, self.workers, self.patience = local, workers, patience
        self.active = len(workers) + 1  # processes that prompts are dealt to
        self.submitted = 0
        self.restarts: list[str] = []
        weights, file = self._new_file()
        self.shares = [Share(weights, file) for _ in range(len(workers))]
        for i in range(len(workers)):
            workers.send(i, (file.path(FILE), describe(local)))
        self._share(dict(local.model.named_parameters()), local.version)

    # -- the protocol --

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> Handle:
        process = self.submitted % self.active
        self.submitted += 1
        if process == 0:
            return LocalHandle(self, self.local.submit(prompt_ids, sampling, seed))
        handle = RemoteHandle(self, process - 1, (prompt_ids, sampling, seed))
        self.local.room(prompt_ids)  # refuses what cannot be answered
        self.shares[process - 1].collected.append(handle)
        return handle

    def load(self, weights: Weights) -> None:
        self.rest()
        self.local.load(weights)
        self._share(weights.tensors, weights.version)

    def verify(self, weights: Weights) -> None:
        """A worker looks for itself, before it draws, at what came with the last load."""
        self.local.verify(weights)
        require_version(weights.version, self.version)
        for its in self._files():
            require_fresh(
                different(its.tensors.items(), ((name, weights.tensors[name]) for name in its.tensors)), weights.version
            )

    def release(self) -> None:
        self.rest()
        self.local.release()
        for i in range(len(self.workers)):
            self._tell(i, ("release",))

    def close(self) -> None:
        for share in self.shares:
            for handle in (*share.collected, *share.sent):
                handle.cancel()
        self.local.close()
        self.workers.close()
        for share in self.shares:
            share.file.close()

    def use(self, n: int) -> None:
        """Deal prompts to the first `n` processes alone, until told otherwise."""
        assert 1 <= n <= len(self.workers) + 1
        self.rest()
        self.submitted, self.active = 0, n

    def keep(self, n: int) -> Engine:
        """An engine of the first `n` processes; the others end."""
        self.use(n)
        self.workers.keep(n - 1)
        gone, self.shares = self.shares[n - 1 :], self.shares[: n - 1]
        for share in gone:
            if not any(share.file is other.file and not other.ready for other in self.shares):
                share.file.close()
        return self if self.shares else self.local

    # -- what handles ask for --

    def send_off(self) -> None:
        """Send the workers what was submitted since the last time; prompts are counted from 0 again."""
        self.submitted = 0
        for i, share in enumerate(self.shares):
            if share.sent:  # one share at a time: two full pipes, each end writing, would wait for ever
                continue
            share.sent = [handle for handle in share.collected if not handle.cancelled]
            share.collected = []
            if share.sent:
                share.heard = time.monotonic()
                self._tell(i, self._run(share))

    def advance(self, i: int) -> None:
        """Go on with the own share, or else wait for worker `i`; take what it has sent, or replace it."""
        self.send_off()
        share = self.shares[i]
        if self.local.busy:
            self.local.step()
        else:
            self.workers.wait(i, 0.2)
        try:
            message = self.workers.receive(i, share.heard, self._patience(share))
        except WorkerGone as gone:
            self._replace(i, str(gone))
            return
        if message is not None:
            share.heard = time.monotonic()
            self._take(share, message)

    def rest(self) -> None:
        """Finish all that was asked for: weights may not change under a worker that draws."""
        for i, share in enumerate(self.shares):
            while share.sent or share.collected:
                self.advance(i)
        while self.local.busy:
            self.local.step()

    # -- the processes --

    def _take(self, share: Share, message: tuple[Any, ...]) -> None:
        if message[0] == "ready":
            share.ready = True
            if all(other.ready for other in self.shares if other.file is share.file):
                share.file.close()  # what is mapped stays
        if message[0] == "done":
            for handle, responses in zip(share.sent, message[1], strict=True):
                handle.responses = responses
            share.sent, share.failures = [], []

    def _tell(self, i: int, message: tuple[Any, ...]) -> None:
        try:
            self.workers.send(i, message, self._patience(self.shares[i]))
        except WorkerGone as gone:
            self._replace(i, str(gone))  # which tells the next one how things stand

    def _replace(self, i: int, gone: str) -> None:
        """Another worker in the place of `i`, with a file of weights of its own, and told what is unfinished."""
        share = self.shares[i]
        while True:
            share.failures.append(gone)
            require_few(share.failures)
            self.restarts.append(gone)
            self.workers.replace(i)
            weights, share.file = self._new_file()
            weights.write(share.weights.tensors)
            share.weights, share.ready, share.heard = weights, False, time.monotonic()
            try:
                self.workers.send(i, (share.file.path(FILE), describe(self.local)))
                self.workers.send(i, self._load())
                if share.sent:
                    self.workers.send(i, self._run(share))
                return
            except WorkerGone as again:
                gone = str(again)

    def _patience(self, share: Share) -> float:
        return self.patience if share.ready else max(self.patience, OPENING)

    @staticmethod
    def _run(share: Share) -> tuple[Any, ...]:
        return "run", [handle.request for handle in share.sent]

    # -- weights --

    def _new_file(self) -> tuple[SharedTensors, UnnamedFiles]:
        file = UnnamedFiles()
        return SharedTensors(file.path(FILE), dict(self.local.model.named_parameters())), file

    def _files(self) -> list[SharedTensors]:
        """Each once: workers share one, but for those that took another's place."""
        return list({id(share.weights): share.weights for share in self.shares}.values())

    def _share(self, tensors: Mapping[str, Tensor], version: int) -> None:
        self.version = version
        (self.checksum,) = {its.write(tensors) for its in self._files()}
        for i in range(len(self.workers)):
            self._tell(i, self._load())

    def _load(self) -> tuple[Any, ...]:
        return "load", self.version, self.checksum
