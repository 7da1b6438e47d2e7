"""Requests to an ASGI application as uvicorn would hand them over, whatever bytes they are made of."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

HOST = "127.0.0.1:8777"
OWN = {"origin": f"http://{HOST}", "content-type": "application/json"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    app: Any,
    target: str | bytes,
    method: str = "GET",
    headers: dict[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | list[bytes] = b"",
    host: str | None = HOST,
    leave: bool = False,
) -> Answer:
    """One request; `body` in pieces is sent without its length. `leave`: go away once some of the answer is there."""
    return asyncio.run(asked(app, target, method, headers, body, host, leave))


async def asked(
    app: Any,
    target: str | bytes,
    method: str = "GET",
    headers: dict[str, str] | Iterable[tuple[str, str]] = (),
    body: bytes | list[bytes] = b"",
    host: str | None = HOST,
    leave: bool = False,
) -> Answer:
    """The same among other tasks."""
    raw, _, query = (target if isinstance(target, bytes) else target.encode()).partition(b"?")
    pairs = list(headers.items() if isinstance(headers, dict) else headers)
    pairs += [("host", host)] if host is not None else []
    pairs += [("content-length", str(len(body)))] if body and isinstance(body, bytes) else []
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(raw.decode("latin-1")), "raw_path": raw, "query_string": query,
        "root_path": "", "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in pairs],
        "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8777), "state": {},
    }  # fmt: skip
    return await _ask(app, scope, body if isinstance(body, list) else [body], leave)


async def _ask(app: Any, scope: dict[str, Any], pieces: list[bytes], leave: bool) -> Answer:
    waiting, sent, left = list(pieces), list[dict[str, Any]](), asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}
        await asyncio.wait_for(left.wait(), 60)
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if leave and message.get("body"):
            left.set()

    await app(scope, receive, send)
    start, *rest = sent
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], headers, b"".join(part.get("body", b"") for part in rest))
