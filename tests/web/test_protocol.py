"""One client and its connection: what it owes and does not send, what it is sent and does not take."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from uvicorn.server import ServerState

from groupthink.web import protocol
from groupthink.web.protocol import LARGEST_HEAD, Protocol
from groupthink.web.safety import HEADERS

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"
SOON = 0.2
"""Seconds of each limit, in these tests."""


class Place:
    """An application that reads a body and then answers as `answer` says, and who is connected to it."""

    def __init__(self) -> None:
        self.state = ServerState()
        self.port = 0
        self.gone = asyncio.Event()  # a client that is answered has gone
        self.asked = 0

    async def app(self, scope, receive, send):
        self.asked += 1
        while (message := await receive()).get("more_body"):
            pass
        if message["type"] == "http.disconnect":
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"] == "/much":
            await send({"type": "http.response.body", "body": bytes(20_000_000), "more_body": True})
        if scope["path"] == "/long":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.gone.set()
        await send({"type": "http.response.body", "body": b"done"})

    async def nobody(self, seconds: float = 5.0) -> bool:
        """Whether nobody is connected any more, within that time."""
        for _ in range(round(seconds / 0.02)):
            if not self.state.connections:
                return True
            await asyncio.sleep(0.02)
        return False


@asynccontextmanager
async def served() -> AsyncIterator[Place]:
    place = Place()
    config = uvicorn.Config(
        place.app,
        interface="asgi3",
        http=Protocol,
        log_config=None,
        proxy_headers=False,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: Protocol(config, place.state, {}), "127.0.0.1", 0, family=socket.AF_INET
    )
    place.port = server.sockets[0].getsockname()[1]
    try:
        yield place
    finally:
        server.close()
        for one in [*place.state.connections]:
            one.transport.abort()


def connected(work: Callable, buffer: int | None = None) -> None:
    """`work(place, connection)`, with a client's end that is a bare socket."""

    async def live() -> None:
        async with served() as place:
            with socket.socket() as connection:
                connection.setblocking(False)
                if buffer is not None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", place.port))
                await asyncio.wait_for(work(place, connection), 20)

    asyncio.run(live())


async def said(connection: socket.socket) -> bytes:
    """All that comes until the server ends it."""
    found = b""
    while part := await asyncio.get_running_loop().sock_recv(connection, 65536):
        found += part
    return found


async def send(connection: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, data)


@pytest.fixture
def soon(monkeypatch):
    for name in ("HEAD_WITHIN", "BODY_WITHIN", "TAKES_WITHIN"):
        monkeypatch.setattr(protocol, name, SOON)


async def beat_by_beat(connection: socket.socket, data: bytes) -> None:
    """Send a byte every tenth of the limit, for as long as it is taken."""
    try:
        while True:
            await send(connection, data)
            await asyncio.sleep(SOON / 10)
    except ConnectionError:
        return


def test_who_says_nothing_is_let_go_without_a_word(soon):
    async def work(place, connection):
        assert await said(connection) == b""
        assert place.asked == 0

    connected(work)


@pytest.mark.fault("S12")
@pytest.mark.parametrize(
    "begun, then, asked",
    [
        (b"POST / HT", b"", 0),
        (HEAD + b"X-Slow: ", b"a", 0),
        (HEAD + b"Content-Length: 500000\r\n\r\n", b"", 1),
        (HEAD + b"Content-Length: 500000\r\n\r\n", b"{", 1),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n", 1),
    ],
)
def test_who_begins_a_request_and_does_not_end_it_is_told_so(soon, begun, then, asked):
    """However often another piece of it comes. (A piece that comes behind the end may undo what was told.)"""

    async def work(place, connection):
        await send(connection, begun)
        if then:
            await beat_by_beat(connection, then)
            assert place.asked == asked and await place.nobody()
            return
        head, _, text = (await said(connection)).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 408 ") and b"in time" in text and b"connection: close" in head.lower()
        assert all(f"{name}: {value}".encode() in head for name, value in HEADERS.items())
        assert place.asked == asked and await place.nobody()

    connected(work)


def test_each_request_on_a_connection_has_its_own_time(monkeypatch):
    """They take longer than the limit together, and none of them is late."""
    monkeypatch.setattr(protocol, "BODY_WITHIN", 2.0)

    async def work(place, connection):
        for _ in range(3):
            await send(connection, HEAD + b"Content-Length: 2\r\n\r\n{")
            await asyncio.sleep(0.8)
            await send(connection, b"}")
            answer = b""
            while not answer.endswith(b"0\r\n\r\n"):
                answer += await asyncio.get_running_loop().sock_recv(connection, 65536)
            assert answer.startswith(b"HTTP/1.1 200 ")
        assert place.asked == 3

    connected(work)


def test_who_waits_for_an_answer_may_wait(soon):
    async def work(place, connection):
        await send(connection, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(3 * SOON)
        assert len(place.state.connections) == 1 and not place.gone.is_set()
        connection.close()
        await asyncio.wait_for(place.gone.wait(), 10)

    connected(work)


@pytest.mark.fault("S12")
@pytest.mark.parametrize("path", ["/much", "/long"])
def test_who_takes_nothing_of_an_answer_is_forgotten(soon, path):
    """Its connection is reset: what the system keeps for it goes, too. Where nothing waits to be taken, it stays."""

    async def work(place, connection):
        await send(connection, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        if path == "/long":
            assert not await place.nobody(3 * SOON)
            return
        assert await place.nobody()
        with pytest.raises(ConnectionResetError):
            await said(connection)

    connected(work, buffer=4096)


@pytest.mark.fault("S12")
def test_who_takes_a_byte_now_and_then_is_forgotten(soon):
    async def work(place, connection):
        await send(connection, b"GET /much HTTP/1.1\r\nHost: a\r\n\r\n")
        for _ in range(100):
            assert await asyncio.get_running_loop().sock_recv(connection, 1)  # of what has come before it was forgotten
            await asyncio.sleep(SOON / 5)
            if not place.state.connections:
                return
        raise AssertionError("it is still there")

    connected(work, buffer=4096)


def test_who_takes_his_time_is_given_it(monkeypatch):
    """All of it comes, and it takes longer than the limit."""
    monkeypatch.setattr(protocol, "TAKES_WITHIN", 1.0)

    async def work(place, connection):
        await send(connection, b"GET /much HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        read, loop = 0, asyncio.get_running_loop()
        while part := await loop.sock_recv(connection, 1_000_000):
            read += len(part)
            await asyncio.sleep(0.1)
        assert read > 20_000_000

    connected(work)


@pytest.mark.fault("S12")
@pytest.mark.parametrize("behind", [b"GARBAGE", HEAD + b"\r\n" * 2, b"\0" * 1000])
def test_whoever_has_asked_for_more_is_seen_to_go(behind):
    """uvicorn does not read on behind a request, and would not see the end."""

    async def work(place, connection):
        await send(connection, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        await send(connection, behind)
        await asyncio.sleep(0.05)
        assert not place.gone.is_set()
        connection.close()
        await asyncio.wait_for(place.gone.wait(), 10)

    connected(work)


def test_what_comes_behind_a_request_is_bounded():
    async def work(place, connection):
        await send(connection, b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(send(connection, bytes(40_000_000)), 1)
        (one,) = place.state.connections
        assert LARGEST_HEAD < len(one.conn.trailing_data[0]) < 2_000_000

    connected(work)


@pytest.mark.parametrize("data", [b"zz\r\n", b"-1\r\n", b"2\r\n{}{}\r\n"])
def test_a_body_that_goes_wrong_behind_its_answer_ends_the_connection(data):
    """What answers before it has read all may have answered already: nothing can be said any more."""

    async def work(place, connection):
        failures = []
        asyncio.get_running_loop().set_exception_handler(lambda _, told: failures.append(told))

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        (one,) = place.state.connections
        one.app = app
        await send(connection, HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        await asyncio.sleep(0.05)
        await send(connection, data)
        assert (await said(connection)).startswith(b"HTTP/1.1 404 ") and await place.nobody() and not failures

    connected(work)
