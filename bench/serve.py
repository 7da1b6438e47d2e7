"""`groupthink serve` under load: tokens a second of many clients against one, and what is left of clients that go.

    python bench/serve.py [--json] [--out FILE] [--models nano 24m] [--clients 32] [--leaving 200]

`ratio`: tokens a second that all clients together are given, over those that one client is given when it is alone. Each
client asks for one response after the other, over a connection of its own. `left_after_seconds`: from the moment at
which the last of the leaving clients is gone, in mid-stream, until no response is being drawn and none waits.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from engines import REPOSITORY
from report import add_report, report
from vs_trl import tell
from workload import write_model

from groupthink.task import open_task

AIM = 4.0


def main() -> None:
    options = read_options()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            with served(name if name == "nano" else endless(Path(folder) / name)) as place:
                tell(f"{name}: served at port {place.port}")
                found[name] = measure(place, options)
    lines = []
    for name, its in found.items():
        for how in ("stream", "whole"):
            many, one = its[how]["many_tokens_per_second"], its[how]["one_tokens_per_second"]
            lines.append(
                f"{name} {how}: {options.clients} clients {many:.0f} tokens/s, one {one:.0f}: ratio "
                f"{its[how]['ratio']:.1f} (aim: {AIM:g})"
            )
        lines.append(
            f"{name}: of {options.leaving} clients that left, {its['leaving']['running_before']} responses were being "
            f"drawn, none after {its['leaving']['left_after_seconds']:.2f} s"
        )
    found["details"] = {"clients": options.clients, "seconds": options.seconds, "turns": options.turns, "aim": AIM}
    report(found, options, *lines)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=["nano", "24m"], default=["nano", "24m"])
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--leaving", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--turns", type=int, default=5)
    add_report(parser)
    return parser.parse_args()


def endless(folder: Path) -> str:
    """A model of 24 million random weights that writes nano's characters, and never ends by itself."""
    write_model(folder, 0, vocabulary=None, context=2048, ends=False)
    return str(folder)


class Place:
    """A server, and how it is asked."""

    def __init__(self, model: str, port: int):
        self.model, self.port = model, port
        problems = open_task("quadratics").held_out(64)
        self.questions = [str(problem.prompt) for problem in problems]

    def request(self, number: int, **more: Any) -> bytes:
        question = self.questions[number % len(self.questions)]
        body = {"model": self.model, "messages": [{"role": "user", "content": question}], "max_tokens": 128, **more}
        data = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def health(self) -> dict[str, Any]:
        reader, writer = await self.connect()
        writer.write(f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return json.loads(answer.partition(b"\r\n\r\n")[2])


@contextmanager
def served(model: str) -> Iterator[Place]:
    command = [sys.executable, "-m", "groupthink.cli", "serve", model, "--port", "0"]
    process = subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        port = next(int(found[1]) for line in process.stderr if (found := re.search(r"http://[^/]+:(\d+)/v1", line)))
        yield Place(model, port)
    finally:
        process.terminate()
        process.wait(20)


def measure(place: Place, options: argparse.Namespace) -> dict[str, Any]:
    """One client and many take turns, first without a stream."""
    asyncio.run(load(place, options.clients, 1.0, stream=True))  # what is compiled or grows, has
    found: dict[str, Any] = {}
    for how in ("whole", "stream"):
        ones, manies = [], []
        for _ in range(options.turns):
            ones.append(asyncio.run(load(place, 1, options.seconds, stream=how == "stream")))
            manies.append(asyncio.run(load(place, options.clients, options.seconds, stream=how == "stream")))
            tell(f"{how}: one {ones[-1]:.0f} tokens/s, {options.clients} together {manies[-1]:.0f}")
        found[how] = {
            "ratio": round(median(manies) / median(ones), 2),
            "one_tokens_per_second": round(median(ones), 1),
            "many_tokens_per_second": round(median(manies), 1),
            "one_of_each_turn": [round(one, 1) for one in ones],
            "many_of_each_turn": [round(many, 1) for many in manies],
        }
    found["leaving"] = asyncio.run(leave(place, options.leaving))
    return found


async def load(place: Place, clients: int, seconds: float, *, stream: bool) -> float:
    """Tokens a second that so many clients are given, who ask again as soon as they are answered."""
    begun = time.perf_counter()
    counts = await asyncio.gather(*(client(place, number, begun + seconds, stream) for number in range(clients)))
    return sum(map(sum, counts)) / (time.perf_counter() - begun)


async def client(place: Place, number: int, until: float, stream: bool) -> Sequence[int]:
    """The tokens of each response to one client. The last one is waited for."""
    reader, writer = await place.connect()
    tokens, more = [], {"stream_options": {"include_usage": True}} if stream else {}
    while time.perf_counter() < until:
        writer.write(place.request(number + 7 * len(tokens), stream=stream, **more))
        answer = await read_answer(reader)
        tokens.append(int(re.findall(rb'"completion_tokens": ?(\d+)', answer)[-1]))
    writer.close()
    return tokens


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The body of an answer, whose connection stays open."""
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    if length := re.search(rb"(?i)content-length: *(\d+)", head):
        return await reader.readexactly(int(length[1]))
    last = b""
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        data = (await reader.readexactly(size + 2))[:-2]
        last = data if b"completion_tokens" in data else last
    await reader.readuntil(b"\r\n")
    return last


async def leave(place: Place, clients: int) -> dict[str, Any]:
    """Clients read the beginning of a long stream, and go all at once."""
    before = await place.health()
    connections = await asyncio.gather(*(place.connect() for _ in range(clients)))
    for number, (_, writer) in enumerate(connections):
        writer.write(place.request(number, stream=True, temperature=2.0, n=16, max_tokens=400))
    begun = [asyncio.create_task(reader.read(2000)) for reader, _ in connections]
    await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
    while not (there := await place.health())["running"]:
        await asyncio.sleep(0.01)
    waited = time.perf_counter()
    while there["running"] + there["waiting"] < clients and time.perf_counter() - waited < 1:
        await asyncio.sleep(0.02)
        there = await place.health()
    for _, writer in connections:
        writer.transport.abort()
    gone = time.perf_counter()
    while (now := await place.health())["running"] or now["waiting"]:
        assert time.perf_counter() - gone < 60, f"something is still drawn: {now}"
        await asyncio.sleep(0.005)
    return {
        "clients": clients,
        "running_before": there["running"],
        "waiting_before": there["waiting"],
        "running_after": now["running"],
        "waiting_after": now["waiting"],
        "cancelled_responses": now["cancelled"] - before["cancelled"],
        "left_after_seconds": round(time.perf_counter() - gone, 3),
    }


if __name__ == "__main__":
    main()
