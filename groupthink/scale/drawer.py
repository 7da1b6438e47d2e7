"""A local engine at work in a thread, which can be told new weights, more prompts and to stop while it draws.

    other threads    give (weights), ask (prompts), cancel, release: orders, and a future for what comes of each
    the thread       takes orders, takes weights when their turn comes, lets prompts in, steps the engine, hands over

Orders may come in any sequence: a prompt names the load whose weights it is to be drawn from, and waits until they are
here. Nothing here knows of Ray.
"""

import queue
import tempfile
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from groupthink.records import Response, Weights
from groupthink.rollout.engine import Engine, Sampling
from groupthink.rollout.remote import make_model
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale.direct import open_agent
from groupthink.scale.weights import Delivery, assemble

IDLE = 1.0
"""Seconds between two signs of life of one who waits for orders."""


@dataclass(frozen=True, slots=True)
class Found:
    """A decoder that agrees with the model's own forward pass: Found("cpu", NativeDecoder)"""

    device: str
    decoder: Any  # its class


@dataclass(frozen=True, slots=True)
class Opening:
    """All that is needed to open an engine on another machine, but for the weights."""

    architecture: Any
    config: Any
    generation_config: Any
    dtype: Any
    tokenizer: Any
    rollout: RolloutSettings
    vllm: VllmSettings
    transport: str = "store"  # of weights
    decoder: Found | None = None  # what one engine has found, all of its kind of device are to have

    @classmethod
    def of(
        cls, model: Any, tokenizer: Any, rollout: RolloutSettings, vllm: VllmSettings, transport: str = "store"
    ) -> "Opening":
        """An engine of its own process that draws what is asked for; when, and from which weights, its orders say."""
        alone = replace(rollout, processes=1, lag=0)
        config, generation = model.config, model.generation_config
        return cls(type(model), config, generation, model.dtype, tokenizer, alone, vllm, transport)


@dataclass(eq=False, slots=True)
class Asked:
    """A prompt, and who waits for its responses."""

    ticket: int
    load: int
    request: tuple[np.ndarray, Sampling, int]
    future: "Future[tuple[Response, ...]]"
    handle: Any = None  # of the engine, once it draws


def next_load(
    current: int | None, live: bool, waiting: Iterable[int], here: Iterable[int], at_once: bool
) -> int | None:
    """Which weights to draw from now, by the numbers of their loads.

    By order: what is being drawn is finished first, then the oldest work that waits is next, of that whose weights are
    here; an engine without work takes the newest. At once: the newest, always. None: there are none yet.

    >>> next_load(0, True, [1], [0, 1], False), next_load(0, False, [1, 2], [0, 1, 2], False)
    (0, 1)
    """
    known, wanted = set(here), set(waiting)
    newest = max(known, default=current)
    if at_once:
        return newest
    if live or (wanted and not wanted & known):
        return current
    return min(wanted & known) if wanted else newest


class Drawer:
    """`at_once`: unfinished responses go on under newer weights. `patience`: seconds for a bucket of weights."""

    def __init__(self, opening: Opening, *, at_once: bool, patience: float):
        self.opening, self.at_once, self.patience = opening, at_once, patience
        self.progress = 0  # counts what the thread does: where it stands still, the thread hangs
        self.ready = False  # there is a model, which weights can be written into
        self.current: int | None = None
        self.failed: BaseException | None = None
        self.engine: Engine | None = None
        self.found = opening.decoder  # by another engine, on the weights that it opened with
        self._deliveries: dict[int, Delivery] = {}
        self._loads: dict[int, Future[int]] = {}
        self._waiting: dict[int, Asked] = {}
        self._live: dict[int, Asked] = {}
        self._orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="groupthink-drawer", daemon=True).start()

    # -- for other threads --

    def give(self, load: int, delivery: Delivery, needed: Iterable[int], decoder: Found | None = None) -> "Future[int]":
        """Weights; done when they, or newer ones, were taken.

        `needed`: the loads that are worth keeping. `decoder`: what another engine has found meanwhile.
        """
        future: Future[int] = Future()
        kept = {*needed}

        def take() -> None:
            self._deliveries[load], self._loads[load] = delivery, future
            self.found = self.found or decoder
            for number in [number for number in self._deliveries if number < load and number not in kept]:
                del self._deliveries[number]

        self._order(take, future)
        return future

    def ask(self, ticket: int, load: int, request: tuple[np.ndarray, Sampling, int]) -> "Future[tuple[Response, ...]]":
        asked = Asked(ticket, load, request, Future())
        self._order(lambda: self._waiting.__setitem__(ticket, asked), asked.future)
        return asked.future

    def cancel(self, ticket: int) -> None:
        def leave() -> None:
            asked = self._live.pop(ticket, None) or self._waiting.pop(ticket, None)
            if asked is not None:
                if asked.handle is not None:
                    asked.handle.cancel()
                asked.future.cancel()

        self._orders.put(leave)

    def release(self) -> None:
        def rest() -> None:
            if self.engine is not None and not self._live:
                self.engine.release()

        self._orders.put(rest)

    @property
    def opened(self) -> bool:
        """Whether there is an engine: what that takes may be longer than it may be silent afterwards."""
        return self.current is not None

    @property
    def restarts(self) -> list[str]:
        """Of a process that the engine itself has."""
        return [] if self.engine is None else [*self.engine.restarts]

    # -- the thread --

    def _order(self, do: Callable[[], None], future: "Future[Any]") -> None:
        def order() -> None:
            if self.failed is None:
                do()
            else:
                future.set_exception(self.failed)

        self._orders.put(order)

    def _work(self) -> None:
        try:
            self._make()
        except BaseException as error:
            self._fail(error)
        while True:
            try:
                self._take_orders()
                if self.failed is None:
                    self._take_weights()
                    self._let_in()
                    self._step()
            except BaseException as error:  # whoever waits is told, and so is everyone who asks later
                self._fail(error)
            self.progress += 1

    def _make(self) -> None:
        from groupthink.model.allocator import keep_freed_memory
        from groupthink.model.loading import find_device

        keep_freed_memory()
        its, device = self.opening, find_device()
        if its.transport == "nixl":
            open_agent()
        self._model = make_model(its.architecture, its.config, its.generation_config, its.dtype, str(device))
        self._own = dict(self._model.named_parameters())
        self.ready = True

    def _take_orders(self) -> None:
        with suppress(queue.Empty):
            if not (self._live or self._waiting_is_possible()):
                self._orders.get(timeout=IDLE)()
            while True:
                self._orders.get_nowait()()

    def _waiting_is_possible(self) -> bool:
        return self.failed is None and (
            self._next_load() != self.current or any(map(self._suits, self._waiting.values()))
        )

    def _next_load(self) -> int | None:
        waiting = [asked.load for asked in self._waiting.values()]
        return next_load(self.current, bool(self._live), waiting, self._deliveries, self.at_once)

    def _take_weights(self) -> None:
        load = self._next_load()
        if load is None or load == self.current:
            return
        delivery = self._deliveries[load]
        assemble(delivery, self._own, self.patience, self._tick)
        held = Weights(delivery.version, self._own)
        if self.engine is None:  # its decoder is tried on the weights that it is for
            self.engine = self._open()
        self.engine.load(held)
        self.engine.verify(held)
        self.current = load
        for number in [number for number in self._loads if number <= load]:
            self._loads.pop(number).set_result(load)

    def _open(self) -> Engine:
        from groupthink.rollout.open import open_engine

        its, model = self.opening, self._model
        folder = Path(tempfile.mkdtemp(prefix="groupthink-")) if its.rollout.engine == "vllm" else None
        found = self.found
        decoder = found.decoder if found is not None and found.device == model.device.type else None
        return open_engine(model, its.tokenizer, its.rollout, model.device, its.vllm, folder, decoder)

    @property
    def decoder(self) -> Found | None:
        """That of its engine; None where there is no engine yet, or one that has none."""
        decoder = getattr(self.engine, "decoder", None)
        return None if decoder is None else Found(self._model.device.type, type(decoder))

    def _suits(self, asked: Asked) -> bool:
        return self.current is not None and (self.at_once or asked.load == self.current)

    def _let_in(self) -> None:
        for asked in [asked for asked in self._waiting.values() if self._suits(asked)]:
            assert self.engine is not None
            del self._waiting[asked.ticket]
            self._live[asked.ticket] = asked
            asked.handle = self.engine.submit(*asked.request)

    def _step(self) -> None:
        if self._live:
            step(self.engine)
        for asked in [asked for asked in self._live.values() if asked.handle.done]:
            del self._live[asked.ticket]
            asked.future.set_result(asked.handle.result())

    def _tick(self) -> None:
        self.progress += 1

    def _fail(self, error: BaseException) -> None:
        self.failed = error
        asked = [*self._live.values(), *self._waiting.values()]
        futures: list[Future[Any]] = [*self._loads.values(), *(it.future for it in asked)]
        for future in futures:
            if not future.done():
                future.set_exception(error)
        self._live, self._waiting, self._loads = {}, {}, {}


def step(engine: Any) -> None:
    """Bring what is being drawn further: a token, or what another process has told."""
    engine.step() if hasattr(engine, "step") else engine.advance()
