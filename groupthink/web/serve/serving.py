"""`groupthink serve`: the server from its beginning to its end."""

import sys
from collections.abc import Callable

from groupthink.web.listen import HOST, is_loopback, listen
from groupthink.web.listen import serve as answer

PORT = 8000

TURN = 0.001
"""Seconds for which a thread has Python while another waits: the one that draws waits for it several times a step."""


def serve(
    name: str,
    *,
    host: str = HOST,
    port: int = PORT,
    token: str | None = None,
    trust_remote_code: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Answer for the model `name` until a signal ends it; `tell` is told where.

    Beyond this machine only to those who know the token; one is made where none is given. Raises as `open_model` and
    `listen` do.
    """
    listening = listen(host, port, token)
    try:
        tell(f"opening {name}")
        from groupthink.web.serve.app import create_app
        from groupthink.web.serve.opened import open_model

        app = create_app(
            open_model(name, trust_remote_code=trust_remote_code), hosts=listening.hosts, token=listening.token
        )
        sys.setswitchinterval(TURN)
        place = listening.address.partition("?")[0]
        tell(f"{name} answers at {place}v1 as OpenAI's API does, by the name {name!r}; Ctrl-C ends it")
        if listening.token is not None:
            tell(f"Every request needs the header   Authorization: Bearer {listening.token}")
        if not is_loopback(host):
            tell("Others than this machine can reach it; what goes over the network is not hidden.")
        answer(app, listening.socket)
    finally:
        listening.socket.close()
