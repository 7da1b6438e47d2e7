"""An engine as an actor of Ray: what it is asked from afar. Its calls wait for each other nowhere.

What it raises itself reaches whoever waits for a draw, for weights or for a sign of life.
"""

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import Any

import numpy as np

from groupthink.records import Response
from groupthink.rollout.engine import Sampling
from groupthink.scale.drawer import Drawer, Found, Opening
from groupthink.scale.weights import Delivery


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign of life."""

    progress: int  # of the thread that draws: one that stands still hangs, even where its process answers
    ready: bool  # it can be given weights
    opened: bool  # it has an engine
    process: int
    machine: str
    restarts: tuple[str, ...]  # of a process that the engine itself has
    decoder: Found | None = None  # the engine's


class EngineActor:
    """Hosts a `Drawer`. Asynchronous: each call runs in the actor's event loop, the drawing in a thread beside it."""

    def __init__(self, opening: Opening, at_once: bool, patience: float):
        self.drawer = Drawer(opening, at_once=at_once, patience=patience)

    async def give(self, load: int, delivery: Delivery, needed: frozenset[int], decoder: Found | None) -> int:
        return await asyncio.wrap_future(self.drawer.give(load, delivery, needed, decoder))

    async def draw(
        self, ticket: int, load: int, request: tuple[np.ndarray, Sampling, int]
    ) -> tuple[Response, ...] | None:
        """The responses to a prompt; None where they were cancelled."""
        future = self.drawer.ask(ticket, load, request)
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if future.cancelled():
                return None
            raise

    async def cancel(self, ticket: int) -> None:
        self.drawer.cancel(ticket)

    async def release(self) -> None:
        self.drawer.release()

    async def sign(self) -> Sign:
        drawer: Any = self.drawer
        if drawer.failed is not None:
            raise drawer.failed
        return Sign(
            drawer.progress,
            drawer.ready,
            drawer.opened,
            os.getpid(),
            socket.gethostname(),
            tuple(drawer.restarts),
            drawer.decoder,
        )
