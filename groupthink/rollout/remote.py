"""What an engine whose processes draw has in common with another: the handle, and the engine that a process opens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from groupthink.records import Response
from groupthink.rollout.engine import EngineFailed, Sampling

FAILURES = 3
"""Of a process, in a row, at which an engine gives up."""

OPENING = 300.0
"""Seconds for a process to import torch and make the model, on a busy machine."""

if TYPE_CHECKING:  # heavy, and a worker that starts imports this file early
    from groupthink.rollout.torch_engine import TorchEngine


class Sender(Protocol):
    """What a handle needs of its engine."""

    def send_off(self) -> None:
        """Send the processes what was submitted since the last time."""
        ...

    def advance(self, worker: int) -> None:
        """Send off; then wait a while for a message of one process, and take it in."""
        ...


@dataclass(eq=False, slots=True)
class RemoteHandle:
    """Responses that another process draws. Its tokens come all at once, when they are finished."""

    engine: Sender
    worker: int
    request: tuple[np.ndarray, Sampling, int]
    responses: tuple[Response, ...] | None = None
    cancelled: bool = False

    def start(self) -> None:
        self.engine.send_off()

    def result(self) -> tuple[Response, ...]:
        while self.responses is None and not self.cancelled:
            self.engine.advance(self.worker)
        if self.responses is None or self.cancelled:
            raise RuntimeError("these responses were cancelled")
        return self.responses

    def cancel(self) -> None:
        """They are not wanted any more. (A process that has begun on them ends them all the same.)"""
        self.cancelled = self.cancelled or self.responses is None

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        for j, response in enumerate(self.result()):
            yield j, response.token_ids_T.tolist()


def require_few(failures: Sequence[str]) -> None:
    """Raise EngineFailed where a process has failed too often since something was last finished."""
    if len(failures) >= FAILURES:
        raise EngineFailed(
            f"the rollout process failed {len(failures)} times in a row, and finished nothing in between:\n"
            + "\n".join(f"  {place}. {failure}" for place, failure in enumerate(failures, 1))
        )


def describe(engine: "TorchEngine") -> tuple[Any, ...]:
    """All that `open_described` needs in another process; the decoder was verified here, on the real weights."""
    model = engine.model
    described = (type(model), model.config, model.generation_config, model.dtype, str(model.device))
    return (*described, engine.tokenizer, type(engine.decoder), engine.max_sequences)


def open_described(
    architecture: Any,
    config: Any,
    generation_config: Any,
    dtype: Any,
    device: str,
    tokenizer: Any,
    decoder: Any,
    max_sequences: int,
) -> "TorchEngine":
    """The same engine in this process, with weights that are still to be loaded."""
    from groupthink.rollout.torch_engine import TorchEngine

    model = make_model(architecture, config, generation_config, dtype, device)
    return TorchEngine(model, tokenizer, decoder=decoder(model), max_sequences=max_sequences)


def make_model(architecture: Any, config: Any, generation_config: Any, dtype: Any, device: str) -> Any:
    """A model of this architecture, with weights that are still to be loaded."""
    from groupthink.model.attention import register_attention

    register_attention()
    model = architecture._from_config(config, dtype=dtype, attn_implementation="groupthink").eval().to(device)
    model.generation_config = generation_config  # names the tokens that end a response
    return model
