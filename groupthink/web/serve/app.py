"""The server: OpenAI's endpoints around one model."""

import copy
import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from groupthink.model.chat import Chat
from groupthink.rollout.engine import EngineFailed, NoMemory, NoRoom
from groupthink.web.safety import Guarded, Refused, Rules
from groupthink.web.serve.asking import Asking, ask
from groupthink.web.serve.attended import Attended
from groupthink.web.serve.fields import BadRequest, read_object
from groupthink.web.serve.opened import Opened
from groupthink.web.serve.request import Asked, read_chat, read_completion
from groupthink.web.serve.running import Busy, Running
from groupthink.web.serve.transcript import Delta
from groupthink.web.serve.wire import Form, failure, model_card

T = TypeVar("T")

MODELS = "/v1/models"

EVENTS = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}
"""Headers of a stream; the second one keeps a proxy from collecting it."""

LONG = 20_000
"""Bytes of a request that becomes tokens beside the event loop: a megabyte takes a second, in which all would wait."""

MOST_LONG = 16
"""Of these, so many at a time; one is worked at, the others wait."""

CODES = {401: "invalid_api_key"}
"""What the API calls a refusal, beside its status."""


def create_app(opened: Opened, *, hosts: Iterable[str], token: str | None = None) -> Starlette:
    """OpenAI's endpoints of a model, for whoever asks under one of `hosts` ("127.0.0.1:8000") and has the token.

    Streams end when `app.state.end()` is called.
    """
    running = opened.run()
    endpoints = Endpoints(opened, running)
    routes = [
        Route("/v1/chat/completions", endpoints.chat, methods=["POST"]),
        Route("/v1/completions", endpoints.complete, methods=["POST"]),
        Route(MODELS, endpoints.models),
        Route(f"{MODELS}/{{name:path}}", endpoints.model),
        Route("/health", endpoints.health),
    ]
    kinds: list[type[Exception]] = [BadRequest, NoRoom, Busy, EngineFailed, HTTPException, Refused]
    app = Guarded(
        Rules(frozenset(hosts), token, programs=True, names=f"{MODELS}/"),
        told=lambda refused: _said(refused)[1],
        routes=routes,
        exception_handlers=dict.fromkeys(kinds, _refuse),
        lifespan=lambda _: _at_work(running),
    )
    app.state.end = running.stop
    return app


@asynccontextmanager
async def _at_work(running: Running) -> AsyncIterator[None]:
    running.start()
    try:
        yield
    finally:
        running.close()


class Endpoints:
    """The endpoints of one model, which a client may call by the name that it was opened by."""

    def __init__(self, opened: Opened, running: Running):
        self.opened, self.running, self.created = opened, running, int(time.time())
        self._one_at_a_time, self._long = CapacityLimiter(1), 0

    async def chat(self, request: Request) -> ASGIApp:
        """POST /v1/chat/completions"""
        body = await request.body()
        found = read_chat(read_object(body))
        self._require_model(found.asked)
        try:
            prompt_ids = await self._encoded(lambda chat: chat.encode(found.messages), len(body))
        except ValueError as error:  # of the chat template
            raise BadRequest(str(error), "messages") from error
        return self._answer([prompt_ids], self.opened.chat.opening, found.asked, chat=True)

    async def complete(self, request: Request) -> ASGIApp:
        """POST /v1/completions"""
        body = await request.body()
        found = read_completion(read_object(body))
        self._require_model(found.asked)
        prompts = await self._encoded(lambda chat: [self._raw(chat, prompt) for prompt in found.prompts], len(body))
        return self._answer(prompts, None, found.asked, chat=False)

    async def models(self, request: Request) -> JSONResponse:
        """GET /v1/models"""
        return JSONResponse({"object": "list", "data": [self._card()]})

    async def model(self, request: Request) -> JSONResponse:
        """GET /v1/models/NAME"""
        self._require_name(request.path_params["name"])
        return JSONResponse(self._card())

    async def health(self, request: Request) -> JSONResponse:
        """GET /health: whether it works, and at how much."""
        running = self.running
        found = {
            "status": "ok" if running.failed is None else "failed",
            "model": self.opened.name,
            "running": running.rows,  # responses that are being drawn
            "waiting": running.waiting,  # requests that wait for a place
            "finished": running.finished,  # responses so far
            "cancelled": running.cancelled,  # of which nobody waited for the end
            "tokens": running.tokens,  # of those that have finished
        }
        return JSONResponse(found, 200 if running.failed is None else 503)

    def _card(self) -> dict[str, Any]:
        return model_card(self.opened.name, self.created, self.opened.engine.context)

    def _require_model(self, asked: Asked) -> None:
        if asked.model is not None:
            self._require_name(asked.model)

    def _require_name(self, name: str) -> None:
        if name != self.opened.name:
            said = f"there is no model {name[:200]!r} here: this server has {self.opened.name!r}"
            raise BadRequest(said, "model", "model_not_found", 404)

    async def _encoded(self, encode: Callable[[Chat], T], size: int) -> T:
        """What `encode` gives, for a request of so many bytes. Raises Busy, and as `encode` does."""
        if size <= LONG:
            return encode(self.opened.chat)
        if self._long >= MOST_LONG:
            raise Busy(f"{MOST_LONG} long prompts are here already: ask again later")
        self._long += 1
        try:
            return await to_thread.run_sync(lambda: encode(self._other_chat), limiter=self._one_at_a_time)
        finally:
            self._long -= 1

    @cached_property
    def _other_chat(self) -> Chat:
        """A tokenizer may not be used by two threads: it is changed by how it is asked."""
        return copy.deepcopy(self.opened.chat)

    def _raw(self, chat: Chat, prompt: str | tuple[int, ...]) -> np.ndarray:
        """Token ids of a prompt as it stands; control tokens that it spells out are meant."""
        if isinstance(prompt, str):
            return np.asarray(chat.tokenizer.encode(prompt, verbose=False), np.int64)
        known = self.opened.engine.model.get_input_embeddings().num_embeddings
        if max(prompt) >= known:
            raise BadRequest(f"prompt has the token {max(prompt)}, and the model knows {known}", "prompt")
        return np.asarray(prompt, np.int64)

    def _answer(self, prompts: Sequence[np.ndarray], opening: str | None, asked: Asked, *, chat: bool) -> ASGIApp:
        form = Form(self.opened.name, chat, asked.logprobs)
        if not all(map(len, prompts)):
            raise BadRequest("the prompt has no tokens: give it at least one", "prompt")
        asking = ask(self.opened, self.running, prompts, opening, asked, tokens=asked.logprobs)

        async def whole(scope: Scope, receive: Receive, send: Send) -> None:
            async for _ in asking.deltas():
                pass
            await JSONResponse(form.whole(asking.transcripts, asking.prompt_tokens))(scope, receive, send)

        async def stream(scope: Scope, receive: Receive, send: Send) -> None:
            headers = [(name.encode(), value.encode()) for name, value in EVENTS.items()]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            async for data in _events(asking, form, asked):
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        return Attended(stream if asked.stream else whole, asking.cancel)


async def _events(asking: Asking, form: Form, asked: Asked) -> AsyncIterator[bytes]:
    """The events of a stream, those as one that are there at once: chunks, perhaps the usage, the word that ends it.

    So the loop has a turn between two writes, and hears that a client has gone before it writes to it again.
    """
    more: dict[str, Any] = {"usage": None} if asked.include_usage else {}
    try:
        if form.chat:
            yield b"".join(_event(form.opening(index) | more) for index in range(len(asking.transcripts)))
        async for deltas in asking.deltas():
            events: list[bytes] = []
            for index, delta in deltas:
                for part in _parts(delta, told_tokens=asked.logprobs):
                    events.append(_event(form.chunk(index, part, None) | more))
                if delta.finish is not None:
                    events.append(_event(form.chunk(index, Delta(), delta.finish) | more))
            if asking.finished:
                usage = [_event(form.last(asking.transcripts, asking.prompt_tokens))] if asked.include_usage else []
                yield b"".join([*events, *usage, b"data: [DONE]\n\n"])
                return
            if events:
                yield b"".join(events)
    except (EngineFailed, NoRoom) as error:
        yield _event(_said(error)[1])


def _parts(delta: Delta, *, told_tokens: bool) -> Sequence[Delta]:
    """Reasoning and answer never come in one chunk: there are clients that read only one of the two of each."""
    if delta.reasoning and delta.answer:
        return Delta(delta.reasoning, "", delta.tokens), Delta("", delta.answer)
    return (delta,) if delta.reasoning or delta.answer or (told_tokens and delta.tokens) else ()


def _event(found: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(found, separators=(",", ":")).encode()


def _said(error: Exception) -> tuple[int, dict[str, Any]]:
    """The status and the body of an error."""
    invalid = "invalid_request_error"
    match error:
        case BadRequest():
            return error.status, failure(str(error), kind=invalid, param=error.param, code=error.code)
        case NoMemory():
            return 400, failure(str(error), kind=invalid, code="insufficient_memory")
        case NoRoom():
            return 400, failure(str(error), kind=invalid, code="context_length_exceeded")
        case Busy():
            return 429, failure(str(error), kind="rate_limit_error", code="rate_limit_exceeded")
        case EngineFailed():
            return 503, failure(str(error), kind="server_error", code="unavailable")
        case Refused():
            kind, code = ("server_error", None) if error.status >= 500 else (invalid, CODES.get(error.status))
            return error.status, failure(error.why, kind=kind, code=code)
        case HTTPException(status_code=404):
            there = "/v1/chat/completions, /v1/completions, /v1/models and /health"
            return 404, failure(f"there is nothing at this path: there are {there}", kind=invalid)
        case HTTPException():
            return error.status_code, failure(error.detail, kind=invalid)
    raise error


async def _refuse(request: Request, error: Exception) -> JSONResponse:
    status, body = _said(error)
    return JSONResponse(body, status, getattr(error, "headers", None) if isinstance(error, HTTPException) else None)
