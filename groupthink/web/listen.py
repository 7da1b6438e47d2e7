"""The server: where it listens, how that is told, and that it ends at once when it is asked to."""

import errno
import ipaddress
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NamedTuple
from urllib.parse import urlencode

import uvicorn
from starlette.applications import Starlette

from groupthink.stopping import stop_was_asked
from groupthink.web.app import create_app
from groupthink.web.protocol import LARGEST_HEAD, Protocol

HOST, PORT = "127.0.0.1", 8777
NEXT_PORTS = 50
"""How many ports after the usual one are tried."""

SHORTEST_TOKEN = 16
"""Characters of a token that others than this machine may try."""

ENDS_WITHIN = 1.5
"""Seconds in which the server ends once it is asked to, whatever it is at."""

ANYWHERE = ("0.0.0.0", "::", "")

TAKEN = (errno.EADDRINUSE, errno.EACCES)
"""What a port that another has answers; some that are nobody's are kept from all, too."""


class Listening(NamedTuple):
    """Where a server listens, and what a person opens to see it."""

    socket: socket.socket
    hosts: frozenset[str]  # the names under which it may be asked, with the port
    address: str  # with the token, where there is one
    token: str | None


def listen(host: str = HOST, port: int | None = None, token: str | None = None) -> Listening:
    """Take a port: the one that is given, or the usual one or the next that is free.

    Beyond this machine a server listens only with a token: one is made where none is given. Raises ValueError for a
    token that is too short for that or that no address can hold, and OSError where there is no such port or host.
    """
    here = is_loopback(host)
    if token is not None and not (token.isascii() and token.isprintable() and token.strip() == token != ""):
        raise ValueError("a token is made of letters, digits and signs, without spaces at its ends")
    if token is not None and not here and len(token) < SHORTEST_TOKEN:
        raise ValueError(f"a token that others may try has {SHORTEST_TOKEN} characters at least: leave it out for one")
    if token is None and not here:
        token = secrets.token_urlsafe(24)
    taken = _take(host, port)
    number = taken.getsockname()[1]
    names = ["127.0.0.1", "localhost", "::1", *(_own_names() if host in ANYWHERE else [host])]
    hosts = frozenset(_with_port(name, number) for name in names)
    shown = _with_port("127.0.0.1" if host in ANYWHERE else host, number)
    query = f"?{urlencode({'token': token})}" if token else ""
    return Listening(taken, hosts, f"http://{shown}/{query}", token)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that host."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def view(
    folder: Path,
    *,
    host: str = HOST,
    port: int | None = None,
    token: str | None = None,
    open_browser: bool = True,
    run: str | None = None,
    tell: Callable[[str], None] | None = None,
) -> None:
    """Show the runs in `folder`, until a signal ends it; `run`: the one that is shown first. `tell` is told where."""
    tell = tell or partial(print, flush=True)
    listening = listen(host, port, token)
    app = create_app(folder, hosts=listening.hosts, token=listening.token)
    address = listening.address + (f"#/run?{urlencode({'run': run})}" if run else "")
    tell(f"Every run in {folder} is at {address}")
    if not is_loopback(host):
        tell(
            "Whoever has that address can read all of it, and ask its models; what goes over the network is not hidden."
        )
    if open_browser and can_open():
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    serve(app, listening.socket)


def can_open() -> bool:
    """Whether a browser would open in a window: a person is at the terminal, and there is a screen."""
    has_screen = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return sys.stdout.isatty() and bool(has_screen) and "SSH_CONNECTION" not in os.environ


def serve(app: Starlette, taken: socket.socket) -> None:
    """Answer on a socket until SIGINT or SIGTERM; its streams, which `app.state.end()` ends, end then."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)  # what fails is told by the rules, and once
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nobody stands between whose word would count
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=LARGEST_HEAD,
    )
    Server(config, app).run(sockets=[taken])


class Server(uvicorn.Server):
    """uvicorn's, whose streams end with it, and which has ended soon after a signal."""

    def __init__(self, config: uvicorn.Config, app: Starlette):
        super().__init__(config)
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals end the server, and are not raised again afterwards: to be ended so is what it waits for."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
        try:
            for number in before:
                signal.signal(number, self.handle_exit)
            self.should_exit = self.should_exit or stop_was_asked()
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:  # a thread that is deep in a library's call is not waited for
            threading.Thread(target=_end_at, args=(time.monotonic() + ENDS_WITHIN,), daemon=True).start()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams first: uvicorn waits for them."""
        self._app.state.end()
        await super().shutdown(sockets)


def _end_at(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
    sys.stdout.flush()
    os._exit(0)


def _take(host: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    numbers = [port] if port is not None else range(PORT, PORT + NEXT_PORTS + 1)
    failure: OSError | None = None
    for number in numbers:
        # Said by its number: where a socket's protocol is left open, asyncio does not switch Nagle's algorithm off, and
        # each answer waits 40 ms for the client to acknowledge its head.
        taken = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if os.name == "posix":  # elsewhere this would let two listen on one port
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, number))
            taken.listen(128)
            return taken
        except OSError as error:
            taken.close()
            failure = error
            if port is None and error.errno not in TAKEN:
                break
    said = f"{host} port {port}" if port is not None else f"{host} from port {PORT} on"
    raise OSError(f"cannot listen on {said}: {failure and failure.strerror}; name another by --port")


def _own_names() -> list[str]:
    """Those by which others reach this machine."""
    name = socket.gethostname()
    found = {name, socket.getfqdn()}
    with suppress(OSError):
        found |= {str(one[4][0]) for one in socket.getaddrinfo(name, None)}
    for family, elsewhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asked:
            asked.connect((elsewhere, 9))  # nothing is sent: only the way there is looked up
            found.add(str(asked.getsockname()[0]))
    return sorted(found)


def _with_port(name: str, port: int) -> str:
    """As a browser writes it: without the usual port, and an address with colons in brackets."""
    name = f"[{ipaddress.IPv6Address(name.partition('%')[0])}]" if ":" in name else name.lower()
    return name if port == 80 else f"{name}:{port}"
