"""The chat page: models of a run answer the same question side by side, and whole groups of responses are scored."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response as Reply
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from groupthink.records import Message
from groupthink.web.answers import dump
from groupthink.web.chat_models import Models, Open, kept_models
from groupthink.web.reading.places import Places
from groupthink.web.reading.settings import recipe_of
from groupthink.web.serve.attended import Attended
from groupthink.web.serve.fields import Fields, read_object
from groupthink.web.serve.request import Asked, read_messages

if TYPE_CHECKING:  # heavy: a server begins without torch, which comes with the first question
    from groupthink.records import Response
    from groupthink.web.chat_judge import ChatJudge
    from groupthink.web.serve.asking import Asking
    from groupthink.web.serve.opened import Opened
    from groupthink.web.serve.transcript import Transcript

MOST_MODELS, MOST_RESPONSES = 2, 64


def routes(places: Places) -> list[BaseRoute]:
    """/api/chat/models and /api/chat, of the runs that `places` knows."""
    page = ChatPage(places)
    return [Route("/api/chat/models", page.models), Route("/api/chat", page.chat, methods=["POST"])]


@dataclass(frozen=True, slots=True)
class Question:
    """A body of /api/chat."""

    models: tuple[str, ...]
    messages: tuple[Message, ...]
    asked: Asked
    expected: str | None
    run: str | None


def read_question(body: dict[str, Any]) -> Question:
    """Raises BadRequest for what is no question."""
    fields = Fields(body)
    models = fields.take("models")
    if not (isinstance(models, list) and all(isinstance(one, str) for one in models)) or not (
        0 < len(models) <= MOST_MODELS
    ):
        raise fields.wrong("models", f"a list of up to {MOST_MODELS} ids", models)
    messages = read_messages(fields.take("messages"))
    asked = Asked(
        model=None,
        n=fields.whole("n", 1, 1, MOST_RESPONSES) or 1,
        max_tokens=fields.whole("max_tokens", None, 1),
        temperature=fields.number("temperature", 1.0, 0.0, 2.0),
        top_p=fields.number("top_p", 1.0, 0.0, 1.0, above=True),
        top_k=0,
        seed=fields.whole("seed", None, 0, 2**63),
        stops=(),
        logprobs=False,
        likeliest=0,
        stream=True,
        include_usage=False,
    )
    expected, run = fields.text("expected"), fields.text("run")
    fields.close()
    return Question(tuple(models), messages, asked, expected or None, run or None)


class ChatPage:
    """What the page asks for."""

    def __init__(self, places: Places):
        self._places, self._models = places, Models(places)

    async def models(self, request: Request) -> Reply:
        """GET /api/chat/models?run="""
        found = await asyncio.to_thread(kept_models, self._places, request.query_params.get("run"))
        return Reply(dump({"models": [one._asdict() for one in found]}), media_type="application/json")

    async def chat(self, request: Request) -> ASGIApp:
        """POST /api/chat: lines of JSON, as the responses are drawn."""
        question = read_question(read_object(await request.body()))
        models: list[Open] = []
        judges: list[ChatJudge | None] = []
        askings: list[Asking] = []

        def leave() -> None:
            for asking in askings:
                asking.cancel()
            for judge in filter(None, judges):
                judge.close()
            for model in models:
                model.questions -= 1

        try:
            for id in question.models:
                models.append(await self._models.get(id))
            for model in models:
                judges.append(await asyncio.to_thread(self._judge, question, model.opened))
            for model in models:
                askings.append(_ask(model, question))
        except BaseException:
            leave()
            raise
        answers = map(_Answer, range(len(models)), [model.opened for model in models], askings, judges)
        return Attended(partial(_send, [*answers]), leave)

    def _judge(self, question: Question, opened: "Opened") -> "ChatJudge | None":
        """By the rewards of the run that is looked at, or else of the model's own; None where no answer is known."""
        from groupthink.web.chat_judge import ChatJudge, Known, find_known

        place = self._places.path(question.run) if question.run else None
        recipe = opened.recipe
        if place is not None and (place / "recipe.toml").is_file():
            recipe = recipe_of(place)
        known = find_known(place, question.messages) if place is not None else None
        if question.expected is not None:
            task = known.task if known else recipe.task.names[0]
            known = Known(known.problem if known else "chat", task, question.expected)
        return None if known is None else ChatJudge(recipe, known, question.messages, opened.chat.opening)


def _ask(model: Open, question: Question) -> "Asking":
    from groupthink.web.serve.asking import ask

    chat = model.opened.chat
    try:
        return ask(model.opened, model.running, [chat.encode(question.messages)], chat.opening, question.asked)
    except RuntimeError as error:  # too many wait, or nothing is drawn any more
        raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one model answers: lines for the page."""

    place: int
    opened: "Opened"
    asking: "Asking"
    judge: "ChatJudge | None"

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """Text as it comes, and each response once it is done; those that are scored when their group is."""
        transcripts = self.asking.transcripts
        async for index, delta in self.asking.deltas():
            here = {"model": self.place, "response": index}
            for part in ("reasoning", "answer"):
                if text := getattr(delta, part):
                    yield here | {"text": text, "part": part}
            if transcripts[index].finish is not None and self.judge is None:
                yield here | {"done": self._done(index)}
        if self.judge is not None:
            responses = [self._response(transcript) for transcript in transcripts]
            for index, score in enumerate(await asyncio.to_thread(self.judge.score, responses)):
                yield {"model": self.place, "response": index, "done": self._done(index, score)}

    def _done(self, index: int, score: Mapping[str, Any] | None = None) -> dict[str, Any]:
        from groupthink.web.chat_judge import UNSCORED, formed

        transcript = self.asking.transcripts[index]
        found = {
            "finish": transcript.finish,
            "tokens": transcript.tokens,
            "reasoning": transcript.reasoning,
            "answer": transcript.answer,
            "formed": formed(self._response(transcript), self.opened.chat.opening),
        }
        return found | dict(score or UNSCORED)

    def _response(self, transcript: "Transcript") -> "Response":
        """As a judge reads it."""
        import numpy as np

        from groupthink.records import Response

        ids = [token.id for token in transcript.drawn]
        ended = [min(self.opened.engine.stop_ids)] if transcript.tokens > len(ids) else []
        count = len(ids) + len(ended)
        return Response(
            token_ids_T=np.array([*ids, *ended], np.int64),
            sampled_T=np.ones(count, bool),
            logprobs_T=np.zeros(count, np.float32),
            drawn_logprobs_T=np.zeros(count, np.float32),
            versions_T=np.zeros(count, np.int64),
            text=self.opened.decode(ids),
            finish=str(transcript.finish),
            seed=0,
        )


async def _send(answers: Sequence[_Answer], scope: Scope, receive: Receive, send: Send) -> None:
    from groupthink.web.serve.together import together

    headers = [(b"content-type", b"application/x-ndjson; charset=utf-8"), (b"x-accel-buffering", b"no")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def line(found: Mapping[str, Any]) -> None:
        await send({"type": "http.response.body", "body": dump(found) + b"\n", "more_body": True})

    try:
        async for _, found in together([answer.lines() for answer in answers]):
            await line(found)
        await line({"end": True})
    except (ValueError, RuntimeError) as error:
        await line({"error": str(error)})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
