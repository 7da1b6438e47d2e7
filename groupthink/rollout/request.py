"""What the embedded engine is asked for, and what has come of it so far."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from groupthink.records import Response
from groupthink.rollout.engine import Sampling
from groupthink.rollout.likeliest import Likely

if TYPE_CHECKING:
    from groupthink.rollout.torch_engine import TorchEngine


@dataclass(eq=False, slots=True)
class Request:
    """A prompt and what has come of it so far. It is also the handle that `submit` gives."""

    engine: "TorchEngine"
    prompt_ids: np.ndarray
    sampling: Sampling
    seed: int
    max_tokens: int  # what the sampling asks for, or what the model's context leaves
    responses: dict[int, Response] = field(default_factory=dict)
    admitted: int = 0  # responses that have entered the batch
    cancelled: bool = False
    ended: set[int] = field(default_factory=set)  # responses that nobody wants any more of
    watched: bool = False
    fresh: deque[tuple[int, list[int]]] = field(default_factory=deque)  # drawn and not yet told to the watcher
    likeliest: int = 0  # how many of the likeliest tokens are noted at each place, which is then drawn by itself
    likely: dict[int, list[Likely]] = field(default_factory=dict)  # for each response, one entry a token

    @property
    def done(self) -> bool:
        return self.cancelled or len(self.responses.keys() | self.ended) == self.sampling.n

    def start(self) -> None:
        """Work is done in this process, while a result is waited for."""

    def result(self) -> tuple[Response, ...]:
        self.engine.hand_over()
        while not self.done:
            self.engine.step()
        if self.cancelled:
            raise RuntimeError("these responses were cancelled")
        return tuple(self.responses[j] for j in range(self.sampling.n) if j in self.responses)

    def cancel(self) -> None:
        self.engine.hand_over()
        self.cancelled = not self.done or self.cancelled

    def end(self, index: int) -> None:
        """No more of one response: its place goes to others, and `result` leaves it out. (If it is there, it stays.)"""
        self.engine.hand_over()
        if index not in self.responses:
            self.ended.add(index)

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        self.engine.hand_over()
        earlier = [(j, response.token_ids_T.tolist()) for j, response in sorted(self.responses.items())]
        earlier += self.engine.drawn_so_far(self)
        self.watched = True
        self.fresh.clear()
        yield from earlier
        while self.fresh or not self.done:
            if self.fresh:
                yield self.fresh.popleft()
            else:
                self.engine.step()


@dataclass(frozen=True, slots=True)
class Row:
    """Who a live row of the batch writes for."""

    request: Request
    index: int  # which of the request's responses
    seed: int

    @property
    def unwanted(self) -> bool:
        return self.request.cancelled or self.index in self.request.ended


@dataclass(frozen=True, eq=False, slots=True)
class Parked:
    """A row that had to leave for want of memory, with what was drawn for it. It goes on where it was."""

    row: Row
    columns: tuple[np.ndarray, ...]  # as the ledger reads them

    @property
    def token_ids(self) -> np.ndarray:
        return np.concatenate([self.row.request.prompt_ids, self.columns[0]])
