"""What a request asks, read, and answers as JSON: one value, or lines of it as they are found."""

import json
import sys
import traceback
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response

from groupthink.web.answers import dump


def params_of(request: Request) -> dict[str, str]:
    """The parameters of a query. Raises ValueError where one is there twice: it would not be plain which one counts."""
    found: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name in found:
            raise ValueError(f"{name[:40]} is asked for twice")
        found[name] = value
    return found


def read_json(body: bytes) -> Any:
    """The value of a request's body. Raises ValueError, with what is wrong, where it is no JSON."""
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("the body is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from None


def as_json(value: Any, status: int = 200) -> Response:
    """An answer that is not kept anywhere: a moment later it may be another."""
    return Response(dump(value), status, {"cache-control": "no-store"}, "application/json")


async def lines(found: Iterator[Mapping[str, Any]], limiter: CapacityLimiter) -> AsyncIterator[bytes]:
    """Lines of JSON as they are found, in a thread; where nobody listens any more, no more is looked for.

    What fails after the first of them can be told only by a line of its own.
    """

    def some() -> bytes:
        try:
            line = next(found, None)
        except Exception as error:
            traceback.print_exception(error, file=sys.stderr)
            line = {"error": f"this failed ({type(error).__name__}): what happened is on the server's terminal"}
        return b"" if line is None else dump(line) + b"\n"

    try:
        while part := await to_thread.run_sync(some, limiter=limiter):
            yield part
    finally:
        if close := getattr(found, "close", None):
            close()


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
