"""The chat page's endpoints: models of a run answer the same question side by side, drawn in a process of their own."""

import asyncio
from contextlib import aclosing
from functools import partial

from starlette.requests import Request
from starlette.responses import Response as Reply
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from groupthink.model.workers import WorkerGone
from groupthink.web.answers import dump
from groupthink.web.chat.models import kept_models
from groupthink.web.chat.process import Apart
from groupthink.web.chat.question import Question, read_question
from groupthink.web.reading.places import Places
from groupthink.web.safety import Refused
from groupthink.web.serve.attended import Attended
from groupthink.web.serve.fields import read_object

HEADERS = [(b"content-type", b"application/x-ndjson; charset=utf-8"), (b"x-accel-buffering", b"no")]
"""The second one keeps a proxy from collecting what is sent."""


def routes(places: Places) -> list[BaseRoute]:
    """/api/chat/models and /api/chat, of the runs that `places` knows."""
    page = ChatPage(places)
    return [Route("/api/chat/models", page.models), Route("/api/chat", page.chat, methods=["POST"])]


class ChatPage:
    """What the page asks for."""

    def __init__(self, places: Places):
        self._places, self.apart = places, Apart(places.folder)

    async def models(self, request: Request) -> Reply:
        """GET /api/chat/models?run="""
        found = await asyncio.to_thread(kept_models, self._places, request.query_params.get("run"))
        return Reply(dump({"models": [one._asdict() for one in found]}), media_type="application/json")

    async def chat(self, request: Request) -> ASGIApp:
        """POST /api/chat: lines of JSON, as the responses are drawn."""
        question = read_question(read_object(await request.body()))
        return Attended(partial(self._answer, question))

    async def _answer(self, question: Question, scope: Scope, receive: Receive, send: Send) -> None:
        begun, rest = False, b""
        async with aclosing(self.apart.lines(question)) as found:
            try:
                async for lines in found:
                    if not begun:  # not before: what is refused has a status of its own
                        await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
                        begun = True
                    await send({"type": "http.response.body", "body": lines, "more_body": True})
            except WorkerGone as error:
                if not begun:
                    raise Refused(503, str(error)) from error
                rest = dump({"error": str(error)}) + b"\n"
        await send({"type": "http.response.body", "body": rest, "more_body": False})
