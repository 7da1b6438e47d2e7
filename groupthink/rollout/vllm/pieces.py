"""What goes to vLLM and what comes back, in this process or between two.

This file is what a process of vLLM imports first: nothing heavy here.
"""

from dataclasses import dataclass
from typing import NamedTuple

Key = tuple[int, int]
"""A request's number, and which of its responses."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan(folder="runs/one/vllm/model", dtype="float32", context=512, stop_ids=(1,), ...)"""

    folder: str  # the model's config.json; the weights come by `load`
    dtype: str
    context: int  # tokens of a prompt and its response
    stop_ids: tuple[int, ...]
    aliases: dict[str, str]  # names of a tied tensor beside the one that it is sent by
    max_sequences: int
    kv_bytes: int  # on a CPU: keys and values, of each process
    memory_share: float  # on a GPU
    tensor_parallel: int = 1  # processes that share the model out


class Draw(NamedTuple):
    """How a response is drawn."""

    seed: int
    max_tokens: int
    temperature: float


class Span(NamedTuple):
    """Tokens start to end of a response were drawn by weights of this version."""

    version: int
    start: int
    end: int


class Piece(NamedTuple):
    """New tokens of a response; and once it has ended how, and by which weights each of its tokens was drawn."""

    key: Key
    token_ids: list[int]
    logprobs: list[float]  # nats, under log_softmax(logits / temperature); greedy: at temperature 1
    finish: str | None = None  # "stop" or "length"
    versions: tuple[Span, ...] = ()

    def after(self, earlier: "Piece") -> "Piece":
        """Both in one."""
        token_ids, logprobs = earlier.token_ids + self.token_ids, earlier.logprobs + self.logprobs
        return Piece(self.key, token_ids, logprobs, self.finish, self.versions)
