"""What the process of an `AheadEngine` does: it draws while its parent learns.

It takes messages in order. A "load" and all that follows it wait until what is being drawn is finished, so that what
draws from which version depends on the order of messages alone; with `at_once` they do not wait, and unfinished
responses go on under the newer weights, each token with its version.

    (paths, at once, threads, the model) the first one; answered by ("ready",) when the files of weights are mapped
    ("load", version, buffer, checksum)  draw from the weights in that file; answered by ("loaded", buffer)
    ("run", ticket, requests)            answered by ("done", ticket, responses), after some ("alive",)
    ("release",)                         give memory back
"""

import time
from collections import deque
from typing import Any

from groupthink.model.workers import SIGN_OF_LIFE, Mailbox
from groupthink.rollout.remote import open_described


def draw_ahead(connection: Mailbox) -> None:
    """Serve until the pipe is closed."""
    import torch

    from groupthink.model.shared_tensors import SharedTensors
    from groupthink.records import Weights
    from groupthink.rollout.request import Request

    paths, at_once, threads, described = connection.recv()
    torch.set_num_threads(threads)
    engine = open_described(*described)
    like = {name: tensor.cpu() for name, tensor in engine.model.named_parameters()}
    buffers = [SharedTensors(path, like) for path in paths]
    connection.send(("ready",))
    inbox: deque[Any] = deque()
    live: dict[int, list[Request]] = {}
    told = time.monotonic()

    def take(message: Any) -> None:
        match message:
            case ("load", version, buffer, checksum):
                if buffers[buffer].checksum() != checksum:
                    raise RuntimeError("the weights that this process sees are not those that were sent")
                held = Weights(version, buffers[buffer].tensors)
                engine.load(held)
                engine.verify(held)
                connection.send(("loaded", buffer))
            case ("run", ticket, requests):
                live[ticket] = [engine.submit(*request) for request in requests]
            case ("release",):
                engine.release()
            case _:
                raise AssertionError(f"no such message: {message[0]}")

    while True:
        while connection.poll() or not (inbox or engine.busy):
            inbox.append(connection.recv())
        while inbox and (at_once or not engine.busy):
            take(inbox.popleft())
        if engine.busy:
            engine.step()
        for ticket in [ticket for ticket, handles in live.items() if all(handle.done for handle in handles)]:
            connection.send(("done", ticket, [handle.result() for handle in live.pop(ticket)]))
        if time.monotonic() - told > SIGN_OF_LIFE:
            connection.send(("alive",))
            told = time.monotonic()
