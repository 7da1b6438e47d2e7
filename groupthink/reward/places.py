"""So many at a time, whichever event loop they run in."""

import asyncio
from weakref import WeakKeyDictionary


class Places:
    """`async with places:` waits until fewer than `n` others of the same loop are inside."""

    def __init__(self, n: int):
        self.n = n
        # A semaphore belongs to the loop that it first made wait, and each scoring has a loop of its own.
        self._held: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def __aenter__(self) -> None:
        await self._held.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(self.n)).acquire()

    async def __aexit__(self, *_: object) -> None:
        self._held[asyncio.get_running_loop()].release()
