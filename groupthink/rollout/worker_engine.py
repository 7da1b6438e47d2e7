"""An engine of several processes: this one and its workers, each with a share of the prompts.

    submit, submit, ...   prompt i since the last rest goes to process i % n, never to who is free
    result                sends every worker its share in one message, draws the own share, waits for theirs
    load                  waits until all rest, writes the weights into a file that all have mapped, tells them

So what a process draws together, and with it every bit of the result, depends on what was asked, not on time.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from torch import Tensor

from groupthink.model.shared_tensors import SharedTensors
from groupthink.model.workers import Workers
from groupthink.records import Response, Weights
from groupthink.rollout.engine import Handle, Sampling
from groupthink.rollout.remote import RemoteHandle, describe
from groupthink.rollout.torch_engine import TorchEngine


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

    collected: list[RemoteHandle] = field(default_factory=list)  # not sent yet
    sent: list[RemoteHandle] = field(default_factory=list)  # in the message that awaits its answer
    heard: float = 0.0  # time.monotonic() of its last message
    ready: bool = False  # it has mapped the weights


class WorkerEngine:
    """An Engine of several processes: `local` in this one, and a `TorchEngine` in each worker."""

    def __init__(self, local: TorchEngine, workers: Workers):
        self.local, self.workers = local, workers
        self.shares = [Share(heard=time.monotonic()) for _ in range(len(workers))]
        self.submitted = 0
        self._folder = tempfile.TemporaryDirectory(prefix="groupthink-")
        path = Path(self._folder.name) / "weights"
        self._shared = SharedTensors(path, dict(local.model.named_parameters()))
        for i in range(len(workers)):
            workers.send(i, (path, describe(local)))
        self._share(dict(local.model.named_parameters()), local.version)

    def submit(self, prompt_ids: np.ndarray, sampling: Sampling, seed: int) -> Handle:
        process = self.submitted % (len(self.workers) + 1)
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

    def release(self) -> None:
        self.rest()
        self.local.release()
        for i in range(len(self.workers)):
            self.workers.send(i, ("release",))

    def close(self) -> None:
        self.local.close()
        self.workers.close()
        self._folder.cleanup()

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
                self.workers.send(i, ("run", [handle.request for handle in share.sent]))

    def advance(self, i: int) -> None:
        """Go on with the own share, or else wait for worker `i`; take what it has sent."""
        self.send_off()
        share = self.shares[i]
        if self.local.busy:
            self.local.step()
        else:
            self.workers.wait(i, 0.2)
        message = self.workers.receive(i, share.heard)
        if message is None:
            return
        share.heard = time.monotonic()
        if message[0] == "ready":
            share.ready = True
            if all(share.ready for share in self.shares):
                self._folder.cleanup()  # what is mapped stays; nothing is left behind, however this process ends
        if message[0] == "done":
            for handle, responses in zip(share.sent, message[1], strict=True):
                handle.responses = responses
            share.sent = []

    def rest(self) -> None:
        """Finish all that was asked for: weights may not change under a worker that draws."""
        for i, share in enumerate(self.shares):
            while share.sent or share.collected:
                self.advance(i)
        while self.local.busy:
            self.local.step()

    def _share(self, tensors: Mapping[str, Tensor], version: int) -> None:
        checksum = self._shared.write(tensors)
        for i in range(len(self.workers)):
            self.workers.send(i, ("load", version, checksum))
