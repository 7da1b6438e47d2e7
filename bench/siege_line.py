"""A connection that may be used in any way, and what has come of it (`siege_misdeeds.py`)."""

import asyncio
import json
import random
import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JSON = "application/json"
ANSWERS_WITHIN = 60.0
"""Seconds in which the server takes what is sent."""

SAYS_WITHIN, MOMENT = 10.0, 0.5
"""Seconds in which it begins to answer, and between two parts of an answer."""

STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass
class Visit:
    """One misdeed: where the server is, what draws the rest, and what has come of it."""

    port: int
    patience: float  # seconds for which the server may let somebody stay who does nothing
    draw: random.Random
    statuses: list[int] = field(default_factory=list)  # of all answers
    stayed: bool = False  # for as long as the server would have it
    held: bool = False  # and it would not end it


class Line:
    """A connection, used in any way: `async with Line(visit) as line`. It ends by a reset, unless it was closed."""

    def __init__(self, visit: Visit, buffer: int | None = None):
        self._visit, self._loop = visit, asyncio.get_running_loop()
        self._tail = b""  # of what was read
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if buffer is not None:  # before it is connected, or it would have no effect
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)

    async def __aenter__(self) -> "Line":
        try:
            await self._loop.sock_connect(self._socket, ("127.0.0.1", self._visit.port))
        except BaseException:
            self._socket.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._socket.fileno() >= 0:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._socket.close()

    def close(self) -> None:
        """End it as is usual, not by a reset."""
        self._socket.close()

    def half_close(self) -> None:
        """Nothing more is sent; an answer could still be read."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    async def send(self, data: bytes) -> None:
        """As much of it as the server takes."""
        with suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(self._loop.sock_sendall(self._socket, data), ANSWERS_WITHIN)

    async def read(self, most: int = 65536) -> bytes:
        """What is there, or comes next; nothing where the server has ended it."""
        with suppress(ConnectionError):
            part = await self._loop.sock_recv(self._socket, most)
            seen = self._tail + part
            self._visit.statuses += [int(found) for found in STATUS.findall(seen)]
            self._tail = seen[-len("HTTP/1.1 200") :]  # too short to be found again
            return part
        return b""

    async def read_all(self, seconds: float) -> None:
        """Read what comes, until the server ends it, or for so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self.read():
                    pass

    async def read_answer(self) -> None:
        """Read until the server ends it, says nothing more for a moment, or has said nothing for too long."""
        with suppress(TimeoutError):
            while await asyncio.wait_for(self.read(), MOMENT if self._tail else SAYS_WITHIN):
                pass

    def is_held(self) -> bool:
        """Whether the server's process holds its end, whatever has been read of what it sent before it let go."""
        own = f":{self._socket.getsockname()[1]:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(row[2].endswith(own) and int(row[9]) > 0 for row in rows)  # an end that nobody holds has no inode


def head(visit: Visit, path: str, *lines: str, method: str = "POST", host: str | None = None) -> bytes:
    """The head of a request, without its last, empty line."""
    first = f"{method} {path} HTTP/1.1\r\nHost: {host or f'127.0.0.1:{visit.port}'}\r\n"
    return (first + "".join(f"{line}\r\n" for line in lines)).encode("latin-1")


def request(visit: Visit, path: str, body: bytes | dict[str, Any], *lines: str) -> bytes:
    """A whole request."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(visit, path, f"Content-Type: {JSON}", f"Content-Length: {len(data)}", *lines) + b"\r\n" + data
