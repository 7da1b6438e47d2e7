"""What the process of an `AheadEngine` does: it draws while its parent learns.

It takes messages in order. A "load" and all that follows it wait until what is being drawn is finished, so that what
draws from which version depends on the order of messages alone; with `at_once` they do not wait, and unfinished
responses go on under the newer weights, each token with its version.

    (paths, description of the model)    the first one; answered by ("ready",) when the files of weights are mapped
    ("load", version, buffer, checksum)  draw from the weights in that file; answered by ("loaded", buffer)
    ("run", ticket, requests)            answered by ("done", ticket, responses), after some ("alive",)
    ("release",)                         give memory back
"""

import time
from collections import deque
from multiprocessing.connection import Connection
from typing import Any

from groupthink.model.workers import SIGN_OF_LIFE


def draw_ahead(connection: Connection) -> None:
    """Serve until the pipe is closed."""
    import torch
    from transformers import AutoModelForCausalLM

    from groupthink.model.attention import register_attention
    from groupthink.model.shared_tensors import SharedTensors
    from groupthink.records import Weights
    from groupthink.rollout.torch_engine import Request, TorchEngine

    register_attention()
    paths, at_once, threads, config, generation_config, dtype, device, tokenizer, decoder, most = connection.recv()
    torch.set_num_threads(threads)
    model = AutoModelForCausalLM.from_config(config, dtype=dtype, attn_implementation="groupthink").eval().to(device)
    model.generation_config = generation_config  # names the tokens that end a response
    parameters = dict(model.named_parameters())
    buffers = [SharedTensors(path, {name: tensor.cpu() for name, tensor in parameters.items()}) for path in paths]
    connection.send(("ready",))
    engine = TorchEngine(model, tokenizer, decoder=decoder(model), max_sequences=most)
    inbox: deque[Any] = deque()
    live: dict[int, list[Request]] = {}
    told = time.monotonic()

    def take(message: Any) -> None:
        match message:
            case ("load", version, buffer, checksum):
                if buffers[buffer].checksum() != checksum:
                    raise RuntimeError("the weights that this process sees are not those that were sent")
                engine.load(Weights(version, buffers[buffer].tensors))
                connection.send(("loaded", buffer))
            case ("run", ticket, requests):
                live[ticket] = [engine.submit(*request) for request in requests]
            case ("release",):
                engine.release()
            case _:
                raise AssertionError(f"no such message: {message[0]}")

    while True:
        while connection.poll(0) or not (inbox or engine.busy):
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
