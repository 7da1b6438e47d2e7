"""A server in a process of its own, and a small client for it."""

import http.client
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.warm import Warm, module

ROOT = Path(__file__).parents[3]


class Served:
    """`groupthink serve`, at work."""

    def __init__(self, process: Warm | subprocess.Popen[str], host: str, port: int, said: list[str]):
        self.process, self.host, self.port, self.said = process, host, port, said

    def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """The status and the body of an answer, as JSON where it is some."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            sent = ({} if body is None else {"Content-Type": "application/json"}) | (headers or {})
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            text = answer.read().decode()
            return answer.status, json.loads(text) if answer.headers.get_content_type() == "application/json" else text
        finally:
            connection.close()

    def post(self, path: str, **body: Any) -> Any:
        """What is answered, which must be an answer."""
        status, found = self.ask("POST", path, body)
        assert status == 200, found
        return found

    def chat(self, text: str = "Solve x^2-5x+6=0", **body: Any) -> Any:
        return self.post("/v1/chat/completions", messages=[{"role": "user", "content": text}], **body)

    def chunks(self, path: str, **body: Any) -> list[dict[str, Any]]:
        """The chunks of a stream, which must have ended as streams do."""
        text = self.post(path, stream=True, **body)
        *events, done = [event.removeprefix("data: ") for event in text.split("\n\n") if event]
        assert done == "[DONE]" and text.endswith("\n\n")
        return [json.loads(event) for event in events]

    def begin(self, path: str, **body: Any) -> socket.socket:
        """A connection on which an answer is on its way; its first bytes are there."""
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
        connection = socket.create_connection((self.host, self.port), timeout=60)
        connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        return connection

    def health(self) -> dict[str, Any]:
        status, found = self.ask("GET", "/health")
        assert status == 200
        return found

    def until(self, true: Callable[[dict[str, Any]], bool], seconds: float = 20.0) -> dict[str, Any]:
        """Wait for the server to be so; what /health says then."""
        begun = time.monotonic()
        while not true(health := self.health()):
            assert time.monotonic() - begun < seconds, f"it never came about: {health}"
            time.sleep(0.02)
        return health

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(20)


def reset(connection: socket.socket) -> None:
    """Go away without a word: whoever writes next is told that nobody is there."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextmanager
def served(model: str = "nano", *words: str, env: dict[str, str] | None = None, warm: bool = True) -> Iterator[Served]:
    """`groupthink serve`, in a process of its own, at any free port; not `warm`: as users begin it."""
    words = ("groupthink.cli", "serve", model, "--port", "0", *words)
    process: Warm | subprocess.Popen[str]
    if warm:
        process = Warm(module, *words, cwd=ROOT, env=env)
    else:
        command = [sys.executable, "-m", *words]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, env=os.environ | (env or {}))
    said: list[str] = []
    found: re.Match[str] | None = None
    try:
        assert process.stderr is not None
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"http://([^/]+):(\d+)/v1", line):
                break
        assert found is not None, "".join(said)
        reader = threading.Thread(target=lambda: said.extend(process.stderr or []), daemon=True)
        reader.start()
        one = Served(process, found[1].strip("[]"), int(found[2]), said)
        _wait_for(one)
        yield one
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _wait_for(one: Served) -> None:
    for _ in range(400):
        try:
            one.ask("GET", "/health")
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError("it does not answer")
