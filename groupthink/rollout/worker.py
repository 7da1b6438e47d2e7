"""What a rollout worker does: it draws responses from weights that it has mapped.

It consumes messages in order, and produces one answer to each "run":

    (path, description of the model) the first one; answered by ("ready",) when the shared file is mapped
    ("load", version, checksum)      draw from the weights that the shared file holds now
    ("run", requests)                answered by ("done", responses), after some ("alive",)
    ("release",)                     give memory back
"""

import time

from groupthink.model.workers import SIGN_OF_LIFE, Mailbox
from groupthink.rollout.remote import open_described


def draw(connection: Mailbox) -> None:
    """Serve until the pipe is closed."""
    import torch

    from groupthink.model.shared_tensors import SharedTensors
    from groupthink.records import Weights

    torch.set_num_threads(1)
    path, described = connection.recv()
    engine = open_described(*described)
    shared = SharedTensors(path, dict(engine.model.named_parameters()))
    connection.send(("ready",))
    current: int | None = None
    while True:
        match connection.recv():
            case ("load", version, checksum):
                # The file may be ahead of this message, by a load that nothing was drawn before: it follows.
                current, held = checksum, Weights(version, shared.tensors)
                engine.load(held)
            case ("release",):
                engine.release()
            case ("run", requests):
                if shared.checksum() != current:
                    raise RuntimeError("the weights that this worker sees are not those that were sent")
                engine.verify(held)
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
