"""Several streams as one."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

T = TypeVar("T")


async def together(streams: Sequence[AsyncIterator[T]]) -> AsyncGenerator[tuple[int, T], None]:
    """What comes of each, with its place among them, until all have ended. Raises what one of them raises."""
    if len(streams) == 1:
        async for one in streams[0]:
            yield 0, one
        return
    found: asyncio.Queue[tuple[int, T] | BaseException | None] = asyncio.Queue()

    async def pump(place: int, stream: AsyncIterator[T]) -> None:
        try:
            async for one in stream:
                found.put_nowait((place, one))
            found.put_nowait(None)
        except BaseException as error:
            found.put_nowait(error)

    pumps = [asyncio.create_task(pump(place, stream)) for place, stream in enumerate(streams)]
    left = len(pumps)
    try:
        while left:
            told = await found.get()
            if isinstance(told, BaseException):
                raise told
            if told is None:
                left -= 1
            else:
                yield told
    finally:
        for task in pumps:
            task.cancel()
