"""What a learning worker does: passes over the micro-batches that it is given, on weights that it has mapped.

(a Description)                          the first message; answered by ("ready",)
("weights", checksums)                   of what the files of the policy and the reference now hold
("forward", batches, whose)              answered by ("done", what each pass found)
("backward", micro-batches)              likewise; the file of gradients then holds their sum
                                         ("alive",) comes between two micro-batches, and
                                         ("memory",) in place of "done" where one did not fit
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from groupthink.model.workers import Mailbox


@dataclass(frozen=True, slots=True)
class Mapped:
    """What a model is made of whose weights are mapped."""

    architecture: Any  # its class
    config: Any
    dtype: Any
    weights: Path  # the file that `SharedTensors` map


@dataclass(frozen=True, slots=True)
class Description:
    """What a worker needs to be like the process that started it."""

    models: Mapping[str, Mapped]  # the "policy", and the "reference" where there is one
    gradient: Path  # another such file, of this worker's own
    objective: Any  # ObjectiveSettings
    temperature: float
    threads: int
    recompute_layers: bool  # in the backward pass of the policy


def learn(connection: Mailbox) -> None:
    """Serve until the pipe is closed."""
    import torch

    from groupthink.model.allocator import keep_freed_memory
    from groupthink.model.attention import register_attention
    from groupthink.model.gradient_checkpointing import checkpoint_layers
    from groupthink.model.shared_tensors import SharedTensors
    from groupthink.policy.memory import is_out_of_memory
    from groupthink.policy.passes import Passes

    keep_freed_memory()
    register_attention()
    it: Description = connection.recv()
    torch.set_num_threads(it.threads)

    models, files = {}, {}
    for whose, its in it.models.items():
        model = its.architecture._from_config(its.config, dtype=its.dtype, attn_implementation="groupthink").eval()
        files[whose] = SharedTensors(its.weights, dict(model.named_parameters()))
        for name, parameter in model.named_parameters():
            parameter.data = files[whose].tensors[name]
        models[whose] = model
    if it.recompute_layers:
        checkpoint_layers(models["policy"])
    gradient = SharedTensors(it.gradient, dict(models["policy"].named_parameters()))
    for name, parameter in models["policy"].named_parameters():
        parameter.grad = gradient.tensors[name]  # autograd adds to it in place
    connection.send(("ready",))

    def answer(do: Callable[[Any], Any], parts: Sequence[Any]) -> None:
        found = []
        try:
            for part in parts:
                found.append(do(part))
                connection.send(("alive",))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            connection.send(("memory",))
        else:
            connection.send(("done", found))

    passes: Passes | None = None  # made once there are weights: a scorer tries its model out
    expected: dict[str, int] = {}
    while True:
        message = connection.recv()
        if message[0] == "weights":
            expected = message[1]
            continue
        if {whose: file.checksum() for whose, file in files.items()} != expected:
            raise RuntimeError("the weights that this worker sees are not those that were sent")
        passes = passes or Passes(models["policy"], models.get("reference"), it.objective, it.temperature)
        match message:
            case ("forward", batches, whose):
                answer(partial(passes.forward, whose=whose), batches)
            case ("backward", parts):
                for tensor in gradient.tensors.values():
                    tensor.zero_()
                answer(passes.backward, parts)
            case _:
                raise AssertionError(f"no such message: {message[0]}")
