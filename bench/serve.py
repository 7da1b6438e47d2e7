"""`groupthink serve` under load: tokens a second of many clients against one, and what is left of clients that go.

    python bench/serve.py [--json] [--out FILE] [--models nano 24m] [--clients 32] [--leaving 200]

`ratio`: tokens a second that all clients together are given, over those that one client is given when it is alone. Each
client asks for one response after the other, over a connection of its own. Users' clients are on machines of their own,
and these are on the server's: one loop over plain sockets serves them all, and looks at no more of an answer than its
end. `engine`: the same where nothing is served, by the server's engine and its threads alone.
`left_after_seconds`: from the moment at which the last of the leaving clients is gone, in mid-stream, until no response
is being drawn and none waits.
"""

import argparse
import asyncio
import json
import re
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from engines import REPOSITORY
from report import add_report, report
from vs_trl import tell
from workload import write_model

from groupthink.rollout.engine import Sampling
from groupthink.task import open_task
from groupthink.web.serve.opened import open_model
from groupthink.web.serve.serving import TURN

AIM = 4.0

TOKENS = 128
"""Of a response, at most."""


def main() -> None:
    options = read_options()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            model = name if name == "nano" else endless(Path(folder) / name)
            with served(model) as place:
                tell(f"{name}: served at port {place.port}")
                found[name] = measure(place, options)
            found[name]["engine"] = in_turns("engine", options, partial(draw, Lanes(model), seconds=options.seconds))
    lines = []
    for name, its in found.items():
        for how in ("stream", "whole"):
            many, one = its[how]["many_tokens_per_second"], its[how]["one_tokens_per_second"]
            lines.append(
                f"{name} {how}: {options.clients} clients {many:.0f} tokens/s, one {one:.0f}: ratio "
                f"{its[how]['ratio']:.1f} (aim: {AIM:g})"
            )
        lines.append(f"{name} the engine alone: ratio {its['engine']['ratio']:.1f}")
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


def questions() -> list[str]:
    return [str(problem.prompt) for problem in open_task("quadratics").held_out(64)]


class Place:
    """A server, and how it is asked."""

    def __init__(self, model: str, port: int):
        self.model, self.port = model, port
        self.questions = questions()

    def request(self, number: int, **more: Any) -> bytes:
        question = self.questions[number % len(self.questions)]
        body = {"model": self.model, "messages": [{"role": "user", "content": question}], "max_tokens": TOKENS, **more}
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
    """First without a stream."""
    load(place, options.clients, 1.0, stream=True)  # what is compiled or grows, has
    found = {
        how: in_turns(how, options, partial(load, place, seconds=options.seconds, stream=how == "stream"))
        for how in ("whole", "stream")
    }
    return found | {"leaving": asyncio.run(leave(place, options.leaving))}


def in_turns(how: str, options: argparse.Namespace, rate: Callable[[int], float]) -> dict[str, Any]:
    """One client and many, turn by turn. `rate`: the tokens a second of so many clients."""
    ones, manies = [], []
    for _ in range(options.turns):
        ones.append(rate(1))
        manies.append(rate(options.clients))
        tell(f"{how}: one {ones[-1]:.0f} tokens/s, {options.clients} together {manies[-1]:.0f}")
    return {
        "ratio": round(median(manies) / median(ones), 2),
        "one_tokens_per_second": round(median(ones), 1),
        "many_tokens_per_second": round(median(manies), 1),
        "one_of_each_turn": [round(one, 1) for one in ones],
        "many_of_each_turn": [round(many, 1) for many in manies],
    }


class Client:
    """One that asks again as soon as it is answered, over one connection."""

    def __init__(self, place: Place, number: int, stream: bool):
        more = {"stream_options": {"include_usage": True}} if stream else {}
        self.socket = socket.create_connection(("127.0.0.1", place.port))
        self.requests = [place.request(number + 7 * turn, stream=stream, **more) for turn in range(64)]
        self.stream, self.asked, self.tokens, self.answer = stream, 0, 0, b""

    def ask(self) -> None:
        self.answer = b""
        self.socket.sendall(self.requests[self.asked % len(self.requests)])
        self.asked += 1

    def read(self) -> bool:
        """Read what is there; whether the answer has come to its end."""
        data = self.socket.recv(2**18)
        assert data, "the server has closed the connection"
        self.answer += data
        if not self._ended():
            return False
        assert self.answer.startswith(b"HTTP/1.1 200"), self.answer
        start = self.answer.rindex(b'"completion_tokens":') + len(b'"completion_tokens":')
        self.tokens += int(self.answer[start : self.answer.index(b",", start)])
        return True

    def _ended(self) -> bool:
        if self.stream:
            return self.answer.endswith(b"\r\n0\r\n\r\n")
        head, _, body = self.answer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        return length is not None and len(body) == int(length[1])


def load(place: Place, clients: int, seconds: float, *, stream: bool) -> float:
    """Tokens a second that so many clients are given. Their last answers are waited for."""
    asking = [Client(place, number, stream) for number in range(clients)]
    begun = time.perf_counter()
    with selectors.DefaultSelector() as selector:
        for one in asking:
            selector.register(one.socket, selectors.EVENT_READ, one)
            one.ask()
        while selector.get_map():
            for key, _ in selector.select():
                if not key.data.read():
                    continue
                if time.perf_counter() < begun + seconds:
                    key.data.ask()
                else:
                    selector.unregister(key.fileobj)
    took = time.perf_counter() - begun
    for one in asking:
        one.socket.close()
    return sum(one.tokens for one in asking) / took


class Lanes:
    """All that `groupthink serve` draws with, without a server."""

    def __init__(self, model: str):
        self.opened = open_model(model)
        self.prompts = [self.opened.chat.encode(question) for question in questions()]


def draw(lanes: Lanes, clients: int, seconds: float) -> float:
    """Tokens a second that so many are given who ask the lanes, each again as soon as it is answered."""

    async def all_of_them() -> float:
        running = lanes.opened.run()
        running.start()
        begun = time.perf_counter()

        async def one(number: int) -> int:
            tokens = turn = 0
            while time.perf_counter() < begun + seconds:
                prompt_ids = lanes.prompts[(number + 7 * turn) % len(lanes.prompts)]
                generation = running.submit(prompt_ids, Sampling(TOKENS), running.another_seed(), follow=False)
                async for pieces in generation:
                    tokens += sum(len(piece.tokens) for piece in pieces)
                turn += 1
            return tokens

        try:
            return sum(await asyncio.gather(*map(one, range(clients)))) / (time.perf_counter() - begun)
        finally:
            running.close()

    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)  # as the server does
    try:
        return asyncio.run(all_of_them())
    finally:
        sys.setswitchinterval(before)


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
