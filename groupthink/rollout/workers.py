"""Worker processes: how they start, what they do, and that they end with their parent.

A worker consumes messages in order, and produces one answer to each "run":

    (description of the model)       the first one; answered by ("ready",) when the shared file is mapped
    ("load", version, checksum)      draw from the weights that the shared file holds now
    ("run", requests)                answered by ("done", responses), after some ("alive",)
    ("release",)                     give memory back

This file is what a worker imports first: everything heavy is imported late.
"""

import multiprocessing
import os
import signal
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

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
        alive = self.processes[i].is_alive()  # asked first: it may send its last words and end in between
        try:
            if self.connections[i].poll(0):
                message = self.connections[i].recv()
                if message[0] == "failed":
                    raise RuntimeError(f"rollout {self._name(i)} failed:\n{message[1]}")
                return message
        except (EOFError, ConnectionResetError):
            raise self._death(i) from None
        if not alive:
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
    from groupthink.rollout.shared_weights import SharedWeights
    from groupthink.rollout.torch_engine import TorchEngine

    torch.set_num_threads(1)
    register_attention()
    path, config, generation_config, dtype, tokenizer, decoder, max_sequences = connection.recv()
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="groupthink").eval()
    model.generation_config = generation_config  # names the tokens that end a response
    shared = SharedWeights(path, model)
    connection.send(("ready",))
    engine = TorchEngine(model, tokenizer, decoder=decoder(model), max_sequences=max_sequences)
    current: int | None = None
    while True:
        match connection.recv():
            case ("load", version, checksum):
                # The file may be ahead of this message, by a load that nothing was drawn before: it follows.
                current = checksum
                engine.load(Weights(version, shared.tensors))
            case ("release",):
                engine.release()
            case ("run", requests):
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
            case message:
                raise AssertionError(f"no such message: {message[0]}")
