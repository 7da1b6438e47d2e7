"""What the pages ask for: the addresses below /api, each answered by one function of a run's files.

Files are read in threads, so many of each kind; the loop itself waits for nothing. What takes long has a thread of its
own, so that it keeps no page waiting but its own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from groupthink.run.stages import is_pipeline
from groupthink.web import live, notes, seed
from groupthink.web.following import Follower
from groupthink.web.http import as_json, lines, params_of, read_json
from groupthink.web.reading.curves import read_run
from groupthink.web.reading.groups import read_group
from groupthink.web.reading.index import Warmed
from groupthink.web.reading.places import Places
from groupthink.web.reading.problems import list_problems
from groupthink.web.reading.reports import report_of
from groupthink.web.reading.responses import read_response
from groupthink.web.reading.runs import list_runs
from groupthink.web.reading.steps import read_step
from groupthink.web.reading.visits import read_problem
from groupthink.web.safety import Refused
from groupthink.web.search.query import Query, count, read_query
from groupthink.web.search.walk import search

T = TypeVar("T")
Params = Mapping[str, str]
Read = Callable[[Path, str, Params], Any]

READERS, SEARCHERS, WATCHERS = 4, 2, 4
"""Threads that make answers, that tell what searches find, and that look at runs at work."""

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
    "report": lambda place, name, params: report_of(place),
}
"""What is asked of one run: of its directory, its name, and the rest of the query."""

LONG = ("report", "seed")
"""What takes seconds to work out, and is kept: whoever else asks for it meanwhile waits without a thread."""

INDEXED = ("run", "problems", "problem")
"""After which it pays to have read all groups of the run."""


class Api:
    """The addresses below /api, of the runs that `places` knows; their streams end when `ending` does."""

    def __init__(self, places: Places, ending: live.Ending):
        self._places, self._ending = places, ending
        self._journal = live.Journal(places)
        self._readers, self._searchers, self._watchers = map(CapacityLimiter, (READERS, SEARCHERS, WATCHERS))
        self._long = {what: CapacityLimiter(1) for what in LONG}
        self._streams = 0
        self._seed = cache(seed.work_through)
        self._warmed = Warmed()

    def routes(self) -> list[BaseRoute]:
        """For Starlette."""
        return [
            Route("/api/runs", self._answer(lambda params: list_runs(self._places))),
            Route("/api/notes", self._add_note, methods=["POST"]),
            Route("/api/notes", self._answer(self._remove_note), methods=["DELETE"]),
            *(Route(f"/api/{what}", self._answer(self._of_run(what, read), what)) for what, read in OF_RUN.items()),
            Route("/api/notes.jsonl", self._export),
            Route("/api/seed", self._answer(lambda params: self._seed(), "seed")),
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

    def _answer(self, read: Callable[[Params], Any], what: str = "") -> Callable[[Request], Awaitable[Response]]:
        """An endpoint: the JSON of what `read` makes of the query, in a thread."""

        async def endpoint(request: Request) -> Response:
            params = params_of(request)
            return await self._in_thread(lambda: as_json(read(params)), what)

        return endpoint

    async def _in_thread(self, work: Callable[[], T], what: str = "") -> T:
        return await to_thread.run_sync(work, limiter=self._long.get(what, self._readers))

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
        return StreamingResponse(lines(self._found(place, query), self._searchers), media_type=LINES)

    def _found(self, place: Path, query: Query) -> Iterator[Mapping[str, Any]]:
        """What a search finds. One that goes by a figure is quick where the run has been read: the next one will be."""
        with closing(search(place, query)) as found:
            yield from found
        if query.by:
            self._warmed.ask(place)

    def _source(self, params: Params, after: str) -> live.Source:
        """Where events come from: of one run, of a recipe's stages, or of all runs. It reads files."""
        name = params.get("run")
        place = self._place(params) if name else None
        if name and place and not is_pipeline(place):
            return Follower(name, place, after)
        self._journal.look()
        return self._journal.reader(after, None if place is None else self._places.name(place))

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
