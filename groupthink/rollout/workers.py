"""Processes that generate side by side: this one and its workers, each with a share of the prompts.

    submit, submit, ...   consumes prompts; prompt i since the last rest goes to process i % n, never to who is free
    result                sends every worker its share in one message, draws the own share, waits for theirs
    load                  waits until all rest, writes the weights into a file that all have mapped, tells them

So what a process draws together, and with it every bit of the result, depends on what was asked, not on time.
This file is what a worker imports first: everything heavy is imported late.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

    from groupthink.records import Response, Weights
    from groupthink.rollout.engine import Handle, Sampling
    from groupthink.rollout.torch_engine import TorchEngine

SIGN_OF_LIFE = 5.0  # seconds between a busy worker's messages
SILENCE = 300.0  # seconds without any, after which a worker counts as hung


class Workers:
    """`n` processes that get ready by themselves. Start them early: importing torch takes seconds."""

    def __init__(self, n: int):
        context = multiprocessing.get_context("spawn")
        self.processes, self.connections = [], []
        for i in range(n):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs,), name=f"groupthink-worker-{i + 1}", daemon=True)
            process.start()
            theirs.close()  # or the end of either process would not be seen by the other
            self.processes.append(process)
            self.connections.append(ours)

    def __len__(self) -> int:
        return len(self.processes)

    def send(self, i: int, message: tuple[Any, ...]) -> None:
        try:
            self.connections[i].send(message)
        except (BrokenPipeError, ConnectionResetError):
            raise self._death(i) from None

    def receive(self, i: int, heard: float) -> tuple[Any, ...] | None:
        """A message of worker `i`, or None where it has none yet. Raises RuntimeError where none will come.

        `heard`: when its last message came, by `time.monotonic`.
        """
        try:
            if self.connections[i].poll(0):
                message = self.connections[i].recv()
                if message[0] == "failed":
                    raise RuntimeError(f"rollout {self._name(i)} failed:\n{message[1]}")
                return message
        except (EOFError, ConnectionResetError):
            raise self._death(i) from None
        if not self.processes[i].is_alive():
            raise self._death(i)
        if time.monotonic() - heard > SILENCE:
            raise RuntimeError(f"rollout {self._name(i)} has been silent for {SILENCE:.0f} s")
        return None

    def wait(self, i: int, seconds: float) -> None:
        self.connections[i].poll(seconds)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()  # a worker ends when its pipe does
        for process in self.processes:
            process.join(2)
            if process.is_alive():
                process.kill()
                process.join()

    def _name(self, i: int) -> str:
        return f"worker {i + 1} (process {self.processes[i].pid})"

    def _death(self, i: int) -> RuntimeError:
        self.processes[i].join(2)
        return RuntimeError(f"rollout {self._name(i)} died with exit code {self.processes[i].exitcode}")


@dataclass(eq=False)
class RemoteHandle:
    """Responses that a worker draws. Its tokens come all at once, when they are finished."""

    engine: WorkerEngine
    worker: int
    request: tuple[np.ndarray, Sampling, int]
    responses: tuple[Response, ...] | None = None
    cancelled: bool = False

    def result(self) -> tuple[Response, ...]:
        while self.responses is None and not self.cancelled:
            self.engine.advance(self.worker)
        if self.responses is None or self.cancelled:
            raise RuntimeError("these responses were cancelled")
        return self.responses

    def cancel(self) -> None:
        self.cancelled = self.cancelled or self.responses is None

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        for j, response in enumerate(self.result()):
            yield j, response.token_ids_T.tolist()


@dataclass(eq=False)
class LocalHandle:
    """Responses that this process draws; the workers are sent off first."""

    engine: WorkerEngine
    handle: Handle

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
    heard: float = 0.0


class WorkerEngine:
    """An Engine of several processes: `local` in this one, and a `TorchEngine` in each worker."""

    def __init__(self, local: TorchEngine, workers: Workers):
        self.local, self.workers = local, workers
        self.shares = [Share(heard=time.monotonic()) for _ in range(len(workers))]
        self.submitted = 0
        self._folder = tempfile.TemporaryDirectory(prefix="groupthink-")
        path = Path(self._folder.name) / "weights"
        self._shared = SharedWeights(path, local.model)
        for i in range(len(workers)):
            workers.send(
                i, ("model", path, local.model.config, local.model.dtype, local.tokenizer, local.max_sequences)
            )
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

    def _share(self, tensors: Any, version: int) -> None:
        checksum = self._shared.write(tensors)
        for i in range(len(self.workers)):
            self.workers.send(i, ("load", version, checksum))


class SharedWeights:
    """A model's parameters in a file that several processes have mapped."""

    def __init__(self, path: Path, model: PreTrainedModel):
        import torch

        named = dict(model.named_parameters())
        if len({parameter.dtype for parameter in named.values()}) != 1:
            raise ValueError("the model's parameters are of several types: set rollout.processes=1")
        size = sum(parameter.numel() for parameter in named.values())
        self._flat = torch.from_file(str(path), shared=True, size=size, dtype=model.dtype)
        parts = self._flat.split([parameter.numel() for parameter in named.values()])
        self.tensors: dict[str, torch.Tensor] = {
            name: part.view(parameter.shape) for part, (name, parameter) in zip(parts, named.items(), strict=True)
        }

    def write(self, tensors: Any) -> int:
        """Copy `tensors` into the file; gives its checksum."""
        import torch

        with torch.no_grad():
            for name, shared in self.tensors.items():
                shared.copy_(tensors[name])
        return self.checksum()

    def checksum(self) -> int:
        import torch

        return zlib.crc32(self._flat.view(torch.uint8).numpy())


def work(connection: Connection) -> None:
    """A worker's life: messages in order, until the parent closes the pipe or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        _serve(connection)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except Exception:
        connection.send(("failed", traceback.format_exc()))


def _follow_parent() -> None:
    """End with the parent, whatever this process is at: no orphans, even after SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _serve(connection: Connection) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    from groupthink.model.attention import register_attention
    from groupthink.records import Weights
    from groupthink.rollout.torch_engine import TorchEngine

    torch.set_num_threads(1)
    register_attention()
    _, path, config, dtype, tokenizer, max_sequences = connection.recv()
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="groupthink").eval()
    shared = SharedWeights(path, model)
    engine: TorchEngine | None = None
    while True:
        match connection.recv():
            case ("load", version, checksum):
                # The file may be ahead of this message, by a load that nothing was drawn before: it follows.
                current = checksum
                engine = engine or TorchEngine(model, tokenizer, max_sequences=max_sequences)
                engine.load(Weights(version, shared.tensors))
            case ("release",):
                assert engine is not None
                engine.release()
            case ("run", requests):
                assert engine is not None
                if shared.checksum() != current:
                    raise RuntimeError("the weights that this worker sees are not those that were sent")
                handles = [engine.submit(*request) for request in requests]
                told = time.monotonic()
                while engine.busy:
                    engine.step()
                    if time.monotonic() - told > SIGN_OF_LIFE:
                        connection.send(("alive",))
                        told = time.monotonic()
                connection.send(("done", [handle.result() for handle in handles]))
