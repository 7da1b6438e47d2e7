"""The application: the pages, what they ask for, and the rules around both."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from groupthink.web.api import Api
from groupthink.web.chat.routes import routes as chat_routes
from groupthink.web.front import STATIC, TYPES
from groupthink.web.http import as_json
from groupthink.web.live import Ending
from groupthink.web.reading.places import Places
from groupthink.web.safety import Guarded, Refused, Rules, plain


def create_app(folder: Path | str, *, hosts: Iterable[str], token: str | None = None) -> Starlette:
    """The pages of the runs in `folder`, for whoever asks under one of `hosts` ("127.0.0.1:8777") and has the token.

    Its streams end when `app.state.end()` is called. Raises LookupError where there is no such folder.
    """
    places, ending = Places(folder), Ending()
    app = Guarded(
        Rules(frozenset(hosts), token),
        routes=[*Api(places, ending).routes(), *chat_routes(places), Mount("/", Pages(directory=STATIC, html=True))],
        exception_handlers={
            Refused: _refused,
            HTTPException: _http,
            LookupError: _not_found,
            FileNotFoundError: _not_found,
            OSError: _unreadable,
            ValueError: _wrong,
            Exception: _failed,
        },
    )
    app.state.end = ending.now
    return app


class Pages(StaticFiles):
    """The front end's files. A browser asks each time whether one has changed, and is told so by its tag."""

    def file_response(self, full_path: Any, stat_result: Any, scope: Scope, status_code: int = 200) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = "no-cache"
        if "content-type" in response.headers:
            kind = TYPES.get(Path(full_path).suffix, "text/plain")
            response.headers["content-type"] = f"{kind}; charset=utf-8"
        return response


def _refused(request: Request, error: Any) -> Response:
    response = as_json(plain(error), error.status)
    response.headers.update(dict(error.headers))
    return response


def _http(request: Request, error: Any) -> Response:
    said = {404: f"there is nothing at {request.url.path}", 405: f"{request.method} is not for {request.url.path}"}
    response = as_json({"error": said.get(error.status_code, error.detail)}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def _not_found(request: Request, error: Any) -> Response:
    if isinstance(error, KeyError | IndexError):
        raise error  # a fault of ours
    gone = isinstance(error, OSError)
    return as_json({"error": "what it reads is not there any more: try it again" if gone else str(error)}, 404)


def _unreadable(request: Request, error: Any) -> Response:
    return as_json({"error": f"a file cannot be read or written: {error}"}, 500)


def _wrong(request: Request, error: Any) -> Response:
    return as_json({"error": str(error)}, 400)


def _failed(request: Request, error: Any) -> Response:
    said = f"this failed ({type(error).__name__}): what happened is on the server's terminal"
    return as_json({"error": said}, 500)
