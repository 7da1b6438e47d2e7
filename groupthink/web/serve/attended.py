"""An answer that is worked at for as long as its client is there."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.types import Receive, Scope, Send


class Attended:
    """`work(scope, receive, send)` answers; `leave` is called when it has, and when the client goes before."""

    def __init__(
        self, work: Callable[[Scope, Receive, Send], Awaitable[None]], leave: Callable[[], None] = lambda: None
    ):
        self._work, self._leave = work, leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        work = asyncio.ensure_future(self._work(scope, receive, send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            self._leave()
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    """Wait until the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
