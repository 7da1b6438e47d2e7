"""What the pages ask for: the addresses below /api, each answered by one function of a run's files.

Files are read in threads, a few at a time; the loop itself waits for nothing.
"""

import json
import queue
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from groupthink.web import live, notes, seed
from groupthink.web.answers import dump
from groupthink.web.following import Follower
from groupthink.web.query import count, read_query
from groupthink.web.reading.curves import read_run
from groupthink.web.reading.groups import read_group
from groupthink.web.reading.index import warm
from groupthink.web.reading.places import Places
from groupthink.web.reading.problems import list_problems, read_problem
from groupthink.web.reading.responses import read_response
from groupthink.web.reading.runs import list_runs
from groupthink.web.reading.steps import read_step
from groupthink.web.safety import Refused
from groupthink.web.search import search

T = TypeVar("T")
Params = Mapping[str, str]
Read = Callable[[Path, str, Params], Any]

READERS, SEARCHERS, WATCHERS = 4, 2, 4
"""Threads that make answers, that search, and that look at runs at work."""

MOST_STREAMS = 64
"""Connections that are told of what happens."""

LINES = "application/x-ndjson"

OF_RUN: dict[str, Read] = {
    "run": lambda place, name, params: read_run(place, name),
    "step": lambda place, name, params: read_step(place, count(params, "step"), name),
    "group": lambda place, name, params: read_group(place, count(params, "step"), count(params, "group"), name),
    "response": lambda place, name, params: read_response(
        place, count(params, "step"), count(params, "group"), count(params, "response"), name
    ),
    "problems": lambda place, name, params: list_problems(
        place, params.get("sort") or "visits", count(params, "page", 1), params.get("kind", ""), name
    ),
    "problem": lambda place, name, params: read_problem(place, params.get("problem", ""), name),
    "notes": lambda place, name, params: {"notes": notes.read_notes(place)},
}
"""What is asked of one run: of its directory, its name, and the rest of the query."""

INDEXED = ("run", "problems", "problem")
"""After which it pays to have read all groups of the run."""


class Api:
    """The addresses below /api, of the runs that `places` knows; their streams end when `ending` does."""

    def __init__(self, places: Places, ending: live.Ending):
        self._places, self._ending = places, ending
        self._journal = live.Journal(places)
        self._readers, self._searchers, self._watchers = map(CapacityLimiter, (READERS, SEARCHERS, WATCHERS))
        self._streams = 0
        self._seed = Once(seed.work_through)
        self._warmed = Warmed()

    def routes(self) -> list[BaseRoute]:
        """For Starlette."""
        return [
            Route("/api/runs", self._answer(lambda params: list_runs(self._places))),
            Route("/api/notes", self._add_note, methods=["POST"]),
            Route("/api/notes", self._answer(self._remove_note), methods=["DELETE"]),
            *(Route(f"/api/{what}", self._answer(self._of_run(what, read))) for what, read in OF_RUN.items()),
            Route("/api/notes.jsonl", self._export),
            Route("/api/seed", self._answer(lambda params: self._seed())),
            Route("/api/search", self._search),
            Route("/api/live", self._live),
            Route("/api/poll", self._answer(lambda params: live.polled(self._source(params, params.get("after", ""))))),
        ]

    def _of_run(self, what: str, read: Read) -> Callable[[Params], Any]:
        def found(params: Params) -> Any:
            place = self._place(params)
            if what in INDEXED:
                self._warmed.ask(place)
            return read(place, params["run"], params)

        return found

    def _place(self, params: Params) -> Path:
        if not params.get("run"):
            raise ValueError("name the run: ?run=NAME")
        return self._places.path(params["run"])

    def _answer(self, read: Callable[[Params], Any]) -> Callable[[Request], Awaitable[Response]]:
        """An endpoint: the JSON of what `read` makes of the query, in a thread."""

        async def endpoint(request: Request) -> Response:
            params = params_of(request)
            return await self._in_thread(lambda: as_json(read(params)))

        return endpoint

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._readers)

    async def _add_note(self, request: Request) -> Response:
        params, body = params_of(request), read_json(await request.body())
        return await self._in_thread(lambda: as_json(notes.add_note(self._place(params), body), status=201))

    def _remove_note(self, params: Params) -> Any:
        notes.remove_note(self._place(params), params.get("id", ""))
        return {"removed": params["id"]}

    async def _export(self, request: Request) -> Response:
        params = params_of(request)
        place = await self._in_thread(lambda: self._place(params))
        name = {"content-disposition": 'attachment; filename="notes.jsonl"'}
        return StreamingResponse(lines(notes.exported(place), self._readers), media_type=LINES, headers=name)

    async def _search(self, request: Request) -> Response:
        params = params_of(request)
        place = await self._in_thread(lambda: self._place(params))
        query = read_query(params)
        if request.method == "HEAD":
            return Response(media_type=LINES)
        return StreamingResponse(lines(search(place, query), self._searchers), media_type=LINES)

    def _source(self, params: Params, after: str) -> live.Source:
        """Where events come from: of one run, or of all. It reads files."""
        if not params.get("run"):
            self._journal.look()
            return self._journal.reader(after)
        return Follower(params["run"], self._place(params), after)

    async def _live(self, request: Request) -> Response:
        params, after = params_of(request), request.headers.get("last-event-id", "")
        source = await self._in_thread(lambda: self._source(params, after or params.get("after", "")))
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        if self._streams >= MOST_STREAMS:
            raise Refused(503, f"{MOST_STREAMS} pages are being told of what happens: close some of them")
        return StreamingResponse(self._told(source), media_type="text/event-stream")

    async def _told(self, source: live.Source) -> AsyncIterator[bytes]:
        self._streams += 1
        try:
            async for part in live.stream(source, self._ending, self._watched):
                yield part
        finally:
            self._streams -= 1

    async def _watched(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._watchers)


class Warmed:
    """Reads runs ahead of who asks for their problems: one after the other, in a thread that ends with this process."""

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._asked: set[Path] = set()
        self._begin = Once(lambda: threading.Thread(target=self._work, name="warm", daemon=True).start())

    def ask(self, place: Path) -> None:
        """Have a run read, unless it is being read."""
        if place not in self._asked:
            self._asked.add(place)
            self._wanted.put(place)
            self._begin()

    def _work(self) -> None:
        while True:
            place = self._wanted.get()
            with suppress(LookupError, ValueError, OSError):  # whoever asks for it is told
                warm(place, threading.Event())
            self._asked.discard(place)


class Once(Generic[T]):
    """What `make` makes: made when it is first asked for, and kept."""

    def __init__(self, make: Callable[[], T]):
        self._make, self._made, self._lock = make, list[T](), threading.Lock()

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]


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
