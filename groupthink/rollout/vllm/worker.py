"""What the process of vLLM does: it draws responses from weights that it finds in a mapped file.

It consumes messages as they come, also while it draws, and never waits with an answer:

    (plan, path, like, interval)               the first one; answered by ("ready",)
    ("load", version)                          take over the file's tensors; answered by ("found", version, checksums)
    ("verify",)                                answered likewise: of what vLLM decodes with, and the version it is of
    ("submit", number, prompt ids, draws)      answered by ("pieces", ...), each response in one, when it has ended
    ("watch", number)                          the request's tokens are wanted as they are drawn
    ("cancel", number, indices)                these responses are not wanted any more
    ("release",)                               give memory back

("alive",) comes at least every `interval` seconds while it is at work, and says that it gets on; ("failed",
traceback) is its last message where something raises.
"""

import os
import threading
import time
import traceback
from collections.abc import Iterator
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import Any

from groupthink.rollout.vllm.pieces import Key, Piece


def main(descriptor: int) -> None:
    """Serve until the other end is closed, and end with it, whatever this process is at: no orphans."""
    connection = Connection(descriptor)
    inbox: SimpleQueue[Any] = SimpleQueue()
    outbox: SimpleQueue[Any] = SimpleQueue()
    sent = threading.Event()

    def read() -> None:
        try:
            while True:
                inbox.put(connection.recv())
        except (EOFError, OSError):
            os._exit(1)

    def write() -> None:
        while (message := outbox.get()) is not None:
            try:
                connection.send(message)
            except OSError:
                os._exit(1)
        sent.set()

    # Two full pipes, each end writing, would wait for ever: here reading and writing never wait for each other.
    for work in (read, write):
        threading.Thread(target=work, daemon=True).start()
    try:
        Service(inbox, outbox).serve()
    except Exception:
        outbox.put(("failed", traceback.format_exc()))
    outbox.put(None)
    sent.wait()
    os._exit(1)


class Service:
    """Answers messages by what vLLM gives. `inbox` and `outbox` are read and emptied elsewhere."""

    def __init__(self, inbox: "SimpleQueue[Any]", outbox: "SimpleQueue[Any]"):
        self.inbox, self.outbox = inbox, outbox
        self.watched: set[int] = set()
        self.held: dict[Key, Piece] = {}  # of responses that are not watched, until they have ended
        self.told = time.monotonic()

    def serve(self) -> None:
        plan, path, like, self.interval = self.inbox.get()
        opening = threading.Event()
        threading.Thread(target=self._while_opening, args=(opening,), daemon=True).start()
        import torch

        from groupthink.model.shared_tensors import SharedTensors
        from groupthink.rollout.vllm.core import VllmCore

        tensors = {name: torch.empty(shape, dtype=getattr(torch, plan.dtype)) for name, shape in like.items()}
        self.tensors = SharedTensors(path, tensors).tensors
        self.aliases = plan.aliases
        if plan.tensor_parallel > 1:
            from groupthink.rollout.vllm.tensor_parallel import TensorParallelCore

            self.core: VllmCore = TensorParallelCore(plan, path, like)
        else:
            self.core = VllmCore(plan)
        opening.set()
        self.outbox.put(("ready",))
        while True:
            for message in self._messages():
                self._answer(message)
            if self.core.busy:
                self._step()

    def alive(self) -> None:
        """To be called as work gets on."""
        if time.monotonic() - self.told > self.interval:
            self.outbox.put(("alive",))
            self.told = time.monotonic()

    def _messages(self) -> Iterator[Any]:
        """Those that have come; waits for one where there is nothing else to do."""
        try:
            while True:
                yield self.inbox.get(block=not self.core.busy)
        except Empty:
            return

    def _answer(self, message: Any) -> None:
        match message:
            case ("submit", number, prompt_ids, draws):
                self.core.add(number, prompt_ids, draws)
            case ("watch", number):
                self.watched.add(number)
                self._send([self.held.pop(key) for key in sorted(self.held) if key[0] == number])
            case ("cancel", number, indices):
                self.core.cancel([(number, j) for j in indices])
                for j in indices:
                    self.held.pop((number, j), None)
            case ("load", version):
                self.core.load(self._sent(), version)
                self.outbox.put(("found", self.core.version, self.core.decoded_with(self.alive)))
            case ("verify",):
                self.outbox.put(("found", self.core.version, self.core.decoded_with(self.alive)))
            case ("release",):
                self.core.release()
            case _:
                raise AssertionError(f"no such message: {message[0]}")
        self.alive()

    def _step(self) -> None:
        ready = []
        for piece in self.core.step():
            if (earlier := self.held.pop(piece.key, None)) is not None:
                piece = piece.after(earlier)
            if piece.finish is not None or piece.key[0] in self.watched:
                ready.append(piece)
            else:
                self.held[piece.key] = piece
        self._send(ready)
        if not self.core.busy:
            self.watched.clear()
        self.alive()

    def _send(self, pieces: list[Piece]) -> None:
        if pieces:
            self.outbox.put(("pieces", pieces))

    def _sent(self) -> Iterator[tuple[str, Any]]:
        for name, source in [*((name, name) for name in self.tensors), *self.aliases.items()]:
            yield name, self.tensors[source]
            self.alive()

    def _while_opening(self, opening: threading.Event) -> None:
        """Importing and opening vLLM is one long call: a thread says that this process is not stopped."""
        while not opening.wait(self.interval):
            self.outbox.put(("alive",))
