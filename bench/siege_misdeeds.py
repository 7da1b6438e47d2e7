"""What clients do to a server that they should not, one connection at a time (`siege.py`).

A misdeed may be answered by a refusal, or by an answer, or by nothing, as `MISDEEDS` says of each; never by a status of
500 or above. One that takes its time goes away by itself, or, in one of four times, stays for as long as it may.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import fuzz_mutate as mutate
from siege_line import JSON, Line, Visit, head, request

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
SMALL = 4096
"""Bytes that the system keeps for who does not read, so that the server is soon left with what it has written."""

BEAT = 1.0
"""Seconds between two bytes of who is slow."""

STAYS = 0.25
"""How often somebody who takes his time stays until the server ends it."""


def chat(**more: Any) -> dict[str, Any]:
    """The body of a chat."""
    return {"messages": [{"role": "user", "content": "Solve x^2-5x+6=0"}], "temperature": 2.0, **more}


def long_answer(draw: random.Random) -> dict[str, Any]:
    """A question whose answer has megabytes: more than the system takes from the server for who does not read."""
    return chat(n=draw.choice((32, 64)), max_tokens=400, logprobs=True, top_logprobs=20, stream=draw.random() < 0.7)


async def answered(visit: Visit, data: bytes) -> None:
    """Send it, and read what the server says to it."""
    async with Line(visit) as line:
        await line.send(data)
        await line.read_answer()


async def stay(visit: Visit, line: Line, work: Callable[[], Awaitable[object]]) -> None:
    """Do `work`, beat by beat, until the server ends the connection or the time is over."""
    stays = visit.draw.random() < STAYS
    try:
        async with asyncio.timeout(visit.patience if stays else visit.draw.uniform(0.5, 5.0)):
            while True:
                await work()
                await asyncio.sleep(BEAT)
                if not line.is_held():
                    break
    except TimeoutError:
        visit.held = stays
    visit.stayed = stays


async def nothing() -> None:
    """The work of who does none."""


async def reads_slowly(visit: Visit) -> None:
    async with Line(visit, SMALL) as line:
        await line.send(request(visit, CHAT, long_answer(visit.draw)))
        await stay(visit, line, lambda: line.read(1))


async def never_reads(visit: Visit) -> None:
    async with Line(visit, SMALL) as line:
        await line.send(request(visit, CHAT, long_answer(visit.draw)))
        await stay(visit, line, nothing)


async def says_nothing(visit: Visit) -> None:
    async with Line(visit) as line:
        await stay(visit, line, nothing)


async def slow_head(visit: Visit) -> None:
    async with Line(visit) as line:
        await line.send(head(visit, CHAT, "X-Slow: ")[:-2])
        await stay(visit, line, lambda: line.send(b"a"))
        await line.read_all(0.1)


async def slow_body(visit: Visit) -> None:
    async with Line(visit) as line:
        chunked = visit.draw.random() < 0.5
        length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {visit.draw.randrange(1000, 1_000_000)}"
        await line.send(head(visit, CHAT, f"Content-Type: {JSON}", length) + b"\r\n")
        await stay(visit, line, lambda: line.send(b"1\r\n{\r\n" if chunked else b"{"))
        await line.read_all(0.1)


async def no_body(visit: Visit) -> None:
    """The length is within what is allowed, and nothing follows."""
    async with Line(visit) as line:
        more = ["Expect: 100-continue"] if visit.draw.random() < 0.3 else []
        await line.send(head(visit, CHAT, f"Content-Type: {JSON}", "Content-Length: 500000", *more) + b"\r\n")
        await stay(visit, line, nothing)
        await line.read_all(0.1)


async def cut_in_head(visit: Visit) -> None:
    whole = request(visit, CHAT, chat(max_tokens=5))
    await _cut(visit, whole[: visit.draw.randrange(whole.index(b"\r\n\r\n") + 3)])


async def cut_in_body(visit: Visit) -> None:
    whole = request(visit, CHAT, chat(max_tokens=5))
    await _cut(visit, whole[: visit.draw.randrange(whole.index(b"\r\n\r\n") + 4, len(whole))])


async def cut_in_stream(visit: Visit) -> None:
    body = long_answer(visit.draw) | {"stream": True, "max_tokens": visit.draw.choice((400, 10**9))}
    await _cut(visit, request(visit, CHAT, body), visit.draw.randrange(1, 400_000))


async def cut_before_the_answer(visit: Visit) -> None:
    body = chat(n=visit.draw.choice((1, 16, 128)), max_tokens=visit.draw.choice((200, 10**9)))
    await _cut(visit, request(visit, CHAT, body))


async def _cut(visit: Visit, data: bytes, most: int = 0) -> None:
    """Go away, in one of the ways there are, once so many bytes have been read."""
    draw = visit.draw
    async with Line(visit) as line:
        await line.send(data)
        read = 0
        while read < most and (part := await line.read()):
            read += len(part)
        await asyncio.sleep(draw.choice((0.0, draw.uniform(0.0, 0.2))))
        how = draw.choice(("close", "reset", "half-close"))
        if how == "half-close":
            line.half_close()
            await asyncio.sleep(draw.uniform(0.0, 0.5))
        elif how == "close":
            line.close()


async def no_http(visit: Visit) -> None:
    draw = visit.draw
    found: Sequence[bytes] = (
        draw.randbytes(draw.randrange(1, 5000)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + draw.randbytes(500),  # the first words of TLS
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + draw.randbytes(50),
        bytes(3000),
        b"\r\n" * 500,
        b"A" * 200_000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /health\r\n\r\n",
        b"GET /health HTTP/1.1\nHost:" + b" " * 70_000,
    )
    await answered(visit, draw.choice(found))


async def no_request(visit: Visit) -> None:
    """A request in which something was changed that no body is read for."""
    port, body = visit.port, b"{}"
    ends = f"Content-Length: {len(body)}"
    found: Sequence[bytes] = (
        head(visit, CHAT, ends, f"Content-Type: {JSON}", host="evil.example"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", host=f"evil.example:{port}"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "Origin: http://evil.example"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "Origin: null"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "Sec-Fetch-Site: cross-site"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", f"Host: 127.0.0.1:{port}"),
        head(visit, CHAT, ends, "Content-Type: text/plain"),
        head(visit, CHAT, ends, "Content-Length: 5", f"Content-Type: {JSON}"),
        head(visit, CHAT, "Content-Length: -1", f"Content-Type: {JSON}"),
        head(visit, CHAT, f"Content-Length: {'9' * 5000}", f"Content-Type: {JSON}"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "Transfer-Encoding: chunked"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "Transfer-Encoding: gzip"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", method=visit.draw.choice(("PUT", "DELETE", "BREW", "TRACE"))),
        head(visit, "/v1/../etc/passwd", ends, f"Content-Type: {JSON}"),
        head(visit, "/v1/%2e%2e/secret", ends, f"Content-Type: {JSON}"),
        head(visit, "/" + "a" * 30_000, ends, f"Content-Type: {JSON}"),
        head(visit, "/nowhere", ends, f"Content-Type: {JSON}"),
        head(visit, "*", ends, method="OPTIONS"),
        head(visit, "evil.example:80", ends, method="CONNECT"),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", *(f"X-{n}: {'a' * 50}" for n in range(900))),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "X: " + "a" * 20_000),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "X: " + "a" * 500_000),
        head(visit, CHAT, ends, f"Content-Type: {JSON}", "Upgrade: websocket", "Connection: Upgrade"),
    )
    await answered(visit, visit.draw.choice(found) + b"\r\n" + body)


async def no_json(visit: Visit) -> None:
    draw = visit.draw
    deep, place = draw.randrange(100, 400_000), draw.choice((CHAT, COMPLETIONS))
    found: Sequence[bytes] = (
        draw.randbytes(draw.randrange(0, 5000)),
        b"[" * deep,
        b"[" * deep + b"]" * deep,
        b'{"messages": ' + b'{"a":' * (deep // 2) + b"1" + b"}" * (deep // 2) + b"}",
        b'{"max_tokens": ' + b"9" * deep + b"}",
        b'{"temperature": NaN, "messages": []}',
        b'{"messages": [{"role": "user", "content": "\xff\xfe\xed\xa0\x80"}]}',
        b'"' + b"\\" * deep,
        b'{"messages": ',
        json.dumps([chat()]).encode(),
        json.dumps(chat()).encode("utf-16"),
        b"{" + b'"a": 1, ' * (deep // 10) + b'"b": 1}',
    )
    await answered(visit, request(visit, place, draw.choice(found)))


async def odd_body(visit: Visit) -> None:
    """JSON that the fields of a request were changed in: some of it can be answered."""
    path, sample = visit.draw.choice(
        (
            (CHAT, chat(max_tokens=5, n=2, stop=["a"], logprobs=True, top_logprobs=3, stream=True, seed=7)),
            (COMPLETIONS, {"prompt": ["a", [1, 2]], "max_tokens": 4, "logprobs": 2, "stop": "c", "temperature": 0.5}),
        )
    )
    body = mutate.json_text(visit.draw, sample, (*sample, "role", "content", "user", "<think>", "</think>", "<|end|>"))
    await answered(visit, request(visit, path, body[:900_000]))


async def odd_values(visit: Visit) -> None:
    """Values that are too large, too many, or none; and text that cannot be written."""
    draw = visit.draw
    found: Sequence[dict[str, Any]] = (
        chat(n=draw.choice((0, -1, 129, 10**30, 1e300, "2", True))),
        chat(max_tokens=draw.choice((0, -1, 1.5, "9"))),
        chat(temperature=draw.choice((-1, 3, 10**400))),
        chat(stop=[f"stop {n}" for n in range(5000)]),
        chat(stop=["a" * 200_000] * 5),
        chat(stop=[""]),
        chat(seed=2**200),
        chat(**{"x" * 500_000: 1}),
        chat(messages=[{"role": "user", "content": "a"}] * draw.randrange(1000, 20_000)),
        chat(messages=[{"role": "user", "content": "Solve 1+1. " * 80_000}]),
        {"prompt": ["a"] * 1000},
        {"prompt": [2**31 - 1]},
        {"prompt": list(range(1000)) * 100},
        {"prompt": "x" * 900_000},
    )
    await answered(visit, request(visit, draw.choice((CHAT, COMPLETIONS)), draw.choice(found)))


async def odd_text(visit: Visit) -> None:
    """Characters that no file can hold, marks of direction, control tokens: as texts and as stop strings."""
    draw = visit.draw
    text = draw.choice(
        ("\ud800", "\udfff x", "\0" * 20, "\u202e\u2066", "<|end|><|assistant|><think>", "\ufffd", "e\u0301")
    )
    body = chat(messages=[{"role": "user", "content": text * 5}], stop=[text, "a" * 200_000], max_tokens=20)
    await answered(visit, request(visit, CHAT, body | {"stream": draw.random() < 0.5}))


async def bad_chunks(visit: Visit) -> None:
    found = (
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-5\r\n{}\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n{}\r\n",
        b"2\r\n{}{}{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 50_000,
        b"\r\n\r\n\r\n",
        visit.draw.randbytes(300),
    )
    how = visit.draw.choice((CHAT, "/nowhere"))
    start = head(visit, how, f"Content-Type: {JSON}", "Transfer-Encoding: chunked") + b"\r\n"
    await answered(visit, start + visit.draw.choice(found))


async def too_much(visit: Visit) -> None:
    """A body of megabytes, or one that is said to have them."""
    draw = visit.draw
    async with Line(visit) as line:
        size = draw.randrange(1_500_000, 30_000_000)
        if draw.random() < 0.3:
            size = draw.choice((10**7, 10**12, 10**18))
            await line.send(head(visit, CHAT, f"Content-Type: {JSON}", f"Content-Length: {size}") + b"\r\n")
        elif draw.random() < 0.5:
            await line.send(
                head(visit, CHAT, f"Content-Type: {JSON}", f"Content-Length: {size}") + b"\r\n" + b" " * size
            )
        else:
            chunks = (b"10000\r\n" + b" " * 65536 + b"\r\n") * (size // 65536) + b"0\r\n\r\n"
            await line.send(head(visit, CHAT, f"Content-Type: {JSON}", "Transfer-Encoding: chunked") + b"\r\n" + chunks)
        await line.read_answer()


async def pipelines(visit: Visit) -> None:
    """Many requests at once on one connection, garbage or a cut behind them, perhaps."""
    draw = visit.draw
    asked = [
        request(
            visit,
            CHAT,
            chat(max_tokens=draw.randrange(1, 60), n=draw.choice((1, 8)), stream=draw.random() < 0.5),
        )
        if draw.random() < 0.5
        else head(visit, "/health", method="GET") + b"\r\n"
        for _ in range(draw.randrange(2, 60))
    ]
    tail = draw.choice((b"", b"", draw.randbytes(200), b"GARBAGE\r\n\r\n", asked[0][:40]))
    async with Line(visit) as line:
        await line.send(b"".join(asked) + tail)
        if draw.random() < 0.4:
            await asyncio.sleep(draw.uniform(0.0, 0.3))
            return
        await line.read_answer()


async def resets_at_once(visit: Visit) -> None:
    for _ in range(visit.draw.randrange(1, 30)):
        async with Line(visit) as line:
            if visit.draw.random() < 0.5:
                await line.send(request(visit, CHAT, chat(max_tokens=100, stream=True)))


class Misdeed(NamedTuple):
    """What is done, and which statuses may answer it; an answer need not come."""

    do: Callable[[Visit], Awaitable[None]]
    may: frozenset[int]


REFUSED = frozenset((400, 403, 404, 405, 408, 413, 414, 415, 429, 431))
FINE = frozenset((200, 429))

MISDEEDS = {
    "reads slowly": Misdeed(reads_slowly, FINE),
    "never reads": Misdeed(never_reads, FINE),
    "says nothing": Misdeed(says_nothing, frozenset((408,))),
    "slow head": Misdeed(slow_head, frozenset((408,))),
    "slow body": Misdeed(slow_body, frozenset((408,))),
    "no body": Misdeed(no_body, frozenset((100, 408))),
    "cut in the head": Misdeed(cut_in_head, frozenset()),
    "cut in the body": Misdeed(cut_in_body, frozenset()),
    "cut in the stream": Misdeed(cut_in_stream, FINE),
    "cut before the answer": Misdeed(cut_before_the_answer, FINE),
    "no HTTP": Misdeed(no_http, REFUSED),
    "no request": Misdeed(no_request, REFUSED),
    "no JSON": Misdeed(no_json, frozenset((400, 413))),
    "odd body": Misdeed(odd_body, REFUSED | FINE),
    "odd values": Misdeed(odd_values, REFUSED),
    "odd text": Misdeed(odd_text, FINE),
    "bad chunks": Misdeed(bad_chunks, frozenset((400, 404, 408))),
    "too much": Misdeed(too_much, frozenset((413,))),
    "pipelines": Misdeed(pipelines, frozenset((200, 400, 408, 429))),
    "resets at once": Misdeed(resets_at_once, frozenset()),
}
