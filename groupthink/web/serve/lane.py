"""An engine at work for many at once: one thread steps it, and requests join and leave its running batch.

    begin  ->  orders  ->  [thread: take orders, let in what fits, step, tell]  ->  pieces  ->  async for pieces in ...

The event loop and the thread share nothing but two queues: orders are functions that the thread calls between two
steps, pieces are handed to the loop. New tokens are told some fifty times a second at most, ends of responses at once.
What is not wanted any more leaves the batch at the next step: nothing is drawn for a client that has gone.
"""

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from groupthink.records import Response
from groupthink.rollout.engine import EngineFailed, NoRoom, Sampling
from groupthink.rollout.request import Request, Row
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.web.serve.transcript import Piece, Token

PAUSE = 0.02
"""Seconds between two tellings of what is being drawn."""

REST = 10.0
"""Seconds without work, after which memory is given back."""

CLOSING = 60.0
"""Seconds in which the step that is being made ends, where a lane is closed; then its thread is left to the process."""

STOPPING = "the server is shutting down"


@dataclass(eq=False, repr=False, slots=True)
class Generation:
    """The responses to one prompt, on their way: `async for pieces in generation`, until the last has ended.

    Pieces come together that are there together. Raises, in the loop, what the engine raised.
    """

    lane: "Lane"
    prompt_ids: np.ndarray
    sampling: Sampling
    seed: int
    likeliest: int = 0
    follow: bool = True  # whether to tell tokens as they are drawn; else those of a response come with its end
    news: "asyncio.Queue[Piece | Exception | None]" = field(default_factory=asyncio.Queue)  # None: that was all
    wanted: bool = True  # by the loop
    # The rest is the thread's own.
    request: Request | None = None
    told: list[int] = field(default_factory=list)  # tokens of each response
    ended: set[int] = field(default_factory=set)  # responses of which nothing more comes

    async def __aiter__(self) -> AsyncIterator[list[Piece]]:
        over = False
        while not over:
            told = [await self.news.get()]
            told += [self.news.get_nowait() for _ in range(self.news.qsize())]
            if pieces := [one for one in told if isinstance(one, Piece)]:
                yield pieces
            for one in told:
                if isinstance(one, NoRoom | EngineFailed):
                    raise one
                if isinstance(one, Exception):
                    raise EngineFailed(f"drawing failed ({type(one).__name__}): {one}") from one
                over = over or one is None

    def end(self, response: int) -> None:
        """No more of one response is wanted."""
        self.lane.order(lambda: self.lane.finish(self, response))

    def cancel(self) -> None:
        """Nothing more is wanted. (It may have come to its end already.)"""
        if self.wanted:
            self.close()
            self.lane.order(lambda: self.lane.leave(self))

    def close(self) -> None:
        """It is over, for the loop."""
        if self.wanted:
            self.wanted = False
            self.lane.load -= self.sampling.n

    @property
    def longest(self) -> int:
        """Tokens that a sequence of it may come to."""
        return len(self.prompt_ids) + self.sampling.max_tokens


class Lane:
    """An engine in a thread of its own, for requests of one event loop.

    `longest`: tokens that a sequence may come to. `memory`: bytes for keys and values, of which each token takes
    `bytes_per_token`, where the decoder itself has no bounds; what does not fit waits its turn.
    """

    def __init__(self, engine: TorchEngine, longest: int = 0, bytes_per_token: int = 0, memory: float = float("inf")):
        self.engine, self.longest, self.bytes_per_token, self.memory = engine, longest, bytes_per_token, memory
        self.load = 0  # responses that are wanted of it, by the loop
        self.asked = 0  # requests that it was given, by the loop
        self.failed: Exception | None = None  # why nothing is drawn any more
        self.waiting: deque[Generation] = deque()
        self.live: dict[Request, Generation] = {}
        self.finished = self.tokens = 0  # responses that have ended, and their tokens
        self.cancelled = 0  # responses that were given up
        self.taken = 0  # of the requests, those that wait no longer, whatever became of them
        self._orders: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._last_told = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name="groupthink-lane", daemon=True)

    # -- for the event loop --

    def start(self) -> None:
        """Begin to work, for the event loop that runs now."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def begin(self, generation: Generation) -> None:
        """Draw what it asks for, in its turn."""
        self.load += generation.sampling.n
        self.asked += 1
        self.order(lambda: self.waiting.append(generation))

    @property
    def queued(self) -> int:
        """Requests that wait for a place, those included of which the thread has not heard yet."""
        return self.asked - self.taken

    def order(self, work: Callable[[], None]) -> None:
        """Have the thread call `work` between two steps."""
        self._orders.put(work)

    def stop(self) -> None:
        """Draw nothing more; who still waits is told so."""
        self.failed = EngineFailed(STOPPING)
        self.order(self._abandon)

    def close(self) -> None:
        """End for good; who still waits is told so."""
        self.failed = EngineFailed(STOPPING)
        self._orders.put(None)
        if self._thread.is_alive():
            self._thread.join(CLOSING)

    # -- in the thread --

    def _work(self) -> None:
        while True:
            try:
                if not self._take_orders():
                    break
                if self.failed is not None:  # who has come late is told so, too
                    self._give_up(self.failed)
                    continue
                self._let_in()
                if self.engine.busy:
                    self.engine.step()
                self._tell()
            except Exception as error:
                self._give_up(error)
                self._abandon()
        self._give_up(EngineFailed(STOPPING))
        with suppress(Exception):  # nobody is left who could be told
            self.engine.close()

    def _take_orders(self) -> bool:
        """Do what was ordered; wait for something where there is no work, or none can be done. False: to end."""
        idle = self.failed is not None or not (self.engine.busy or self.waiting)
        rested = self.failed is not None  # what has failed is left as it is
        while True:
            try:
                order = self._orders.get(block=idle, timeout=None if rested else REST)
            except queue.Empty:
                if not idle:
                    return True
                if self.engine.device.type == "cpu":  # elsewhere what is recorded goes with it, and costs seconds
                    self.engine.release()
                rested = True
                continue
            if order is None:
                return False
            order()
            idle = False

    def _let_in(self) -> None:
        """Requests enter in their order, each when all of its responses have a place."""
        while self.waiting and self.failed is None and self._fits(self.waiting[0]):
            generation = self.waiting[0]  # until it is in it is one of those who are told what fails
            if not self.engine.busy:  # a decoder that takes its memory at once takes it for all who may still come
                self.engine.decoder.reserve(self.engine.max_sequences, max(self.longest, generation.longest))
            try:
                request = self.engine.submit(generation.prompt_ids, generation.sampling, generation.seed)
            except ValueError as error:
                self._hand_over([(generation, error)])
            else:
                request.likeliest = generation.likeliest
                generation.request = request
                self.live[request] = generation
            self.waiting.popleft()
            self.taken += 1

    def _fits(self, wanted: Generation) -> bool:
        if not self.live:
            return True
        there = [*self.live.values()]
        rows = wanted.sampling.n + sum(one.sampling.n - len(one.ended) for one in there)
        longest = max(one.longest for one in (wanted, *there))
        return rows <= self.engine.max_sequences and rows * longest * self.bytes_per_token <= self.memory

    def finish(self, generation: Generation, response: int) -> None:
        """No more of one response is wanted."""
        if generation.request is None or generation.request not in self.live or response in generation.ended:
            return
        generation.request.end(response)
        generation.ended.add(response)
        self.finished += 1
        self.tokens += generation.told[response]
        self._close_if_done(generation)

    def leave(self, generation: Generation) -> None:
        """Nothing more of it is wanted."""
        if generation in self.waiting:
            self.waiting.remove(generation)
            self.taken += 1
            self.cancelled += generation.sampling.n
        if generation.request is not None and self.live.pop(generation.request, None) is not None:
            self.cancelled += generation.sampling.n - len(generation.ended)
            generation.request.cancel()

    def _tell(self) -> None:
        """Hand over what is new: of responses that have ended at once, of the others now and then."""
        news: list[tuple[Generation, Piece | Exception | None]] = []
        now = time.monotonic()
        if now - self._last_told >= PAUSE:
            self._last_told = now
            for row, columns in self.engine.drawn_beyond(self._told):
                generation = self.live.get(row.request)
                if generation is not None and len(columns[0]):
                    news.append((generation, self._piece(generation, row.index, columns[0], columns[1])))
        for generation in [*self.live.values()]:
            request = generation.request
            assert request is not None
            if len(request.responses) + len(request.ended) > len(generation.ended):
                for index in request.responses.keys() - generation.ended:
                    news.append((generation, self._last_piece(generation, index, request.responses[index])))
                self._close_if_done(generation, news)
        self._hand_over(news)

    def _told(self, row: Row) -> int:
        """How many tokens of a live row need not be told now."""
        generation = self.live.get(row.request)
        if generation is None or not generation.follow or row.index in generation.ended:
            return 2**62
        return generation.told[row.index]

    def _piece(self, generation: Generation, index: int, ids: np.ndarray, logprobs: np.ndarray) -> Piece:
        assert generation.request is not None
        told = generation.told[index]
        generation.told[index] += len(ids)
        likely = generation.request.likely[index][told : told + len(ids)] if generation.likeliest else [()] * len(ids)
        return Piece(index, [*map(Token, ids.tolist(), logprobs.tolist(), likely)])

    def _last_piece(self, generation: Generation, index: int, response: Response) -> Piece:
        told = generation.told[index]
        piece = self._piece(generation, index, response.token_ids_T[told:], response.logprobs_T[told:])
        generation.ended.add(index)
        self.finished += 1
        self.tokens += len(response)
        return Piece(index, piece.tokens, response.finish)

    def _close_if_done(
        self, generation: Generation, news: "list[tuple[Generation, Piece | Exception | None]] | None" = None
    ) -> None:
        """After its last response a generation ends, and leaves."""
        if len(generation.ended) < generation.sampling.n:
            return
        assert generation.request is not None
        self.live.pop(generation.request, None)
        if news is None:
            self._hand_over([(generation, None)])
        else:
            news.append((generation, None))

    def _hand_over(self, news: "list[tuple[Generation, Piece | Exception | None]]") -> None:
        if not news:
            return
        assert self._loop is not None
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_deliver, news)

    def _give_up(self, error: Exception) -> None:
        """Tell all who wait why nothing comes."""
        self._hand_over([(generation, error) for generation in (*self.live.values(), *self.waiting)])
        self.live.clear()
        self.taken += len(self.waiting)
        self.waiting.clear()

    def _abandon(self) -> None:
        """Go on with an empty batch, if the engine can."""
        try:
            self.engine.abandon()
        except Exception as error:
            self.failed = self.failed or error


def _deliver(news: "list[tuple[Generation, Piece | Exception | None]]") -> None:
    """In the event loop."""
    for generation, piece in news:
        if not isinstance(piece, Piece):
            generation.close()
        generation.news.put_nowait(piece)
