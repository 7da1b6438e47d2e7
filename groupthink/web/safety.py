"""Who may ask this server, and for what: one layer around all of it, its errors and its files included.

A page of any other site can make a browser ask a server on the same machine, even under a name of its own that is made
to lead here. So the name by which the server is asked must be one of its own, and so must be the page that asks.
"""

import asyncio
import hashlib
import hmac
import json
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer some browsers call the origin of the page's own writes null
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
"""What goes with every answer."""

READS, WRITES = frozenset({"GET", "HEAD"}), frozenset({"POST", "DELETE"})

LARGEST_BODY = 1_000_000
LONGEST_PATH, LONGEST_QUERY, LARGEST_HEADERS, MOST_HEADERS = 1_000, 8_000, 16_000, 100

MOST_DRAINED, DRAINED_WITHIN = 20 * LARGEST_BODY, 2.0
"""Bytes of a refused body that are read away, and the seconds in which: who is cut off while sending sees no answer."""

PATH = re.compile(rb"/(?:[A-Za-z0-9_-][A-Za-z0-9._-]*(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*/?)?")
"""Every path that there is: nothing in it needs an escape, and none of its names begins with a dot."""


SIGNS = re.compile(rb"[!-~]+")
"""What a path is made of on its way, escapes included."""


class Refused(Exception):
    """A request that is not answered: the status, what is said of it, and further headers."""

    def __init__(self, status: int, why: str, headers: Sequence[tuple[str, str]] = ()):
        super().__init__(why)
        self.status, self.why, self.headers = status, why, headers


class Rules(NamedTuple):
    """By what requests are judged.

    hosts    the names under which the server may be asked, each with its port as browsers write it: "127.0.0.1:8777"
    token    what whoever asks must know; None where everybody may ask who can reach it
    programs whether programs may write, too, that say no origin, as browsers always do
    names    below this path stand names, with any signs, that are compared and lead nowhere: "/v1/models/"
    """

    hosts: frozenset[str]
    token: str | None = None
    programs: bool = False
    names: str | None = None


def plain(refused: Refused) -> dict[str, Any]:
    """A refusal as the pages read it."""
    return {"error": refused.why}


class Guarded(Starlette):
    """Starlette with the layer around all of it, around what answers for its own failures, too.

    `told`: the body of a refusal, which becomes JSON.
    """

    def __init__(self, rules: Rules, told: Callable[[Refused], dict[str, Any]] = plain, **settings: Any):
        super().__init__(**settings)
        self._rules, self._told = rules, told

    def build_middleware_stack(self) -> ASGIApp:
        return Safety(super().build_middleware_stack(), self._rules, self._told)


class Safety:
    """The layer: `app` sees nothing of what the rules refuse, and every answer has the headers."""

    def __init__(self, app: ASGIApp, rules: Rules, told: Callable[[Refused], dict[str, Any]] = plain):
        self._app, self._rules, self._told = app, rules, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": _with_headers(message.get("headers", ()))}
            await send(message)

        read, more = 0, True

        async def limited() -> Message:
            nonlocal read, more
            message = await receive()
            read, more = read + len(message.get("body", b"")), bool(message.get("more_body"))
            if read > LARGEST_BODY:
                raise _too_large()
            return message

        try:
            require_allowed(scope, self._rules)
            await self._app(scope, limited, guarded)
        except Refused as refused:
            if not begun:
                if more:
                    await _drain(receive)
                await self._refuse(guarded, refused, scope)
        except ClientDisconnect:
            pass
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            if not begun:
                failed = Refused(500, f"this server failed ({type(error).__name__}); what happened is on its terminal")
                await self._refuse(guarded, failed, scope)

    async def _refuse(self, send: Send, refused: Refused, scope: Scope) -> None:
        text = json.dumps(self._told(refused)).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(text))), ("connection", "close")]
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in [*headers, *refused.headers]]
        await send({"type": "http.response.start", "status": refused.status, "headers": encoded})
        await send({"type": "http.response.body", "body": text if scope["method"] != "HEAD" else b""})


def require_allowed(scope: Scope, rules: Rules) -> None:
    """Raise Refused where a request breaks the rules."""
    headers = [(name.lower(), value) for name, value in scope["headers"]]
    _require_shape(scope, headers, rules)
    host = _require_host(headers, rules)
    _require_origin(scope["method"], headers, host, rules)
    _require_token(scope, headers, rules)


def _path(scope: Scope) -> bytes:
    """As it was asked for."""
    return scope.get("raw_path") or scope["path"].encode(errors="surrogatepass")


def _require_shape(scope: Scope, headers: Sequence[tuple[bytes, bytes]], rules: Rules) -> None:
    path, method = _path(scope), scope["method"]
    if method not in READS | WRITES:
        raise Refused(405, f"the method {method[:20]} is not known here", [("allow", "GET, HEAD, POST, DELETE")])
    if len(path) > LONGEST_PATH or len(scope["query_string"]) > LONGEST_QUERY:
        raise Refused(414, "the address is too long")
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LARGEST_HEADERS:
        raise Refused(431, "the headers are too large")
    is_name = rules.names is not None and path.startswith(rules.names.encode()) and SIGNS.fullmatch(path)
    if not is_name and (not PATH.fullmatch(path) or scope["path"] != path.decode()):
        raise Refused(400, "the path has signs in it that no path here has")
    if b"\0" in scope["query_string"] or not scope["query_string"].isascii():
        raise Refused(400, "the query has signs in it that belong escaped")
    length = _only(headers, b"content-length")
    if length and not length.isdigit():
        raise Refused(400, "the length of the body is no number")
    if length and int(length[:20]) > LARGEST_BODY:
        raise _too_large()


def _require_host(headers: Sequence[tuple[bytes, bytes]], rules: Rules) -> str:
    host = (_only(headers, b"host") or b"").decode("latin-1").lower()
    if host not in rules.hosts:
        known = " or ".join(f"http://{name}" for name in sorted(rules.hosts))
        raise Refused(403, f"this server does not answer under that name: open {known}")
    return host


def _require_origin(method: str, headers: Sequence[tuple[bytes, bytes]], host: str, rules: Rules) -> None:
    """The page that asks must be this server's own: browsers say which one it is, and cannot be made to lie."""
    origin, site = _only(headers, b"origin"), _only(headers, b"sec-fetch-site")
    if origin is not None and origin.decode("latin-1").lower() != f"http://{host}":
        raise Refused(403, "a page of another origin has asked")
    followed = _only(headers, b"sec-fetch-mode") == b"navigate" and _only(headers, b"sec-fetch-dest") == b"document"
    if site not in (None, b"same-origin", b"none") and not (followed and method in READS):
        raise Refused(403, "a page of another site has asked")
    if method in READS:
        return
    if origin is None and site != b"same-origin" and not rules.programs:
        raise Refused(403, "nothing is written for whom does not say its Origin, which must be this server's")
    has_body = method == "POST" or _only(headers, b"content-type") is not None
    if has_body and (_only(headers, b"content-type") or b"").partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "the body of a request must be JSON, and its Content-Type application/json")


def _require_token(scope: Scope, headers: Sequence[tuple[bytes, bytes]], rules: Rules) -> None:
    if rules.token is None:
        return
    scheme, _, given = (_only(headers, b"authorization") or b"").partition(b" ")
    if scheme.lower() == b"bearer" and _same(given.strip(), rules.token):
        return
    name, wanted = _cookie(rules.token)
    if any(_same(value, wanted) for value in _cookies(headers, name)):
        return
    asked = parse_qsl(scope["query_string"].decode("ascii"), keep_blank_values=True)
    tokens = [value for key, value in asked if key == "token"]
    if len(tokens) == 1 and scope["method"] in READS and _same(tokens[0].encode(errors="replace"), rules.token):
        rest = urlencode([(key, value) for key, value in asked if key != "token"])
        place = _path(scope).decode() + (f"?{rest}" if rest else "")
        cookie = f"{name}={wanted}; Path=/; HttpOnly; SameSite=Strict"
        raise Refused(303, f"go on at {place}", [("location", place), ("set-cookie", cookie)])
    raise Refused(
        401,
        "this server asks for its token: open the address that its terminal shows, or send Authorization: Bearer TOKEN",
        [("www-authenticate", "Bearer")],
    )


def _same(given: bytes, wanted: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(given, wanted.encode())


def _cookie(token: str) -> tuple[str, str]:
    """Name and value of what a browser keeps in the token's place; a browser gives it to every port of a machine."""
    kept = hashlib.sha256(f"groupthink cookie {token}".encode()).hexdigest()
    return f"groupthink-{kept[:8]}", kept[8:]


def _cookies(headers: Iterable[tuple[bytes, bytes]], wanted: str) -> list[bytes]:
    pairs = [pair.strip().partition(b"=") for name, value in headers if name == b"cookie" for pair in value.split(b";")]
    return [value for name, _, value in pairs if name == wanted.encode()]


def _only(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    """The value of a header that may be there once. Raises Refused where it is there more often."""
    values = [value for name, value in headers if name == wanted]
    if len(values) > 1:
        raise Refused(400, f"the header {wanted.decode()} is there {len(values)} times")
    return values[0] if values else None


async def _drain(receive: Receive) -> None:
    """Read away what is still to come of a body, within bounds."""
    read = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAINED_WITHIN):
            while read < MOST_DRAINED:
                message = await receive()
                if not message.get("more_body"):
                    return
                read += len(message["body"])


def _too_large() -> Refused:
    return Refused(413, f"the body of a request has {LARGEST_BODY} bytes at most")


def _with_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if name.lower().decode("latin-1") not in HEADERS]
    cached = [] if any(name.lower() == b"cache-control" for name, _ in kept) else [(b"cache-control", b"no-store")]
    return [*kept, *cached, *((name.encode(), value.encode()) for name, value in HEADERS.items())]
