"""Clients that ask as they should, and look at every answer (`siege.py`).

`questions` are requests of all kinds that the server answers; each has a seed of its own, so that its answer can be
known before. A `Client` asks for it, whole or as a stream, and raises `Wrong` for what is no answer.
"""

import asyncio
import json
import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from siege_line import JSON

from groupthink.task import open_task

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
WITHIN = 120.0
"""Seconds in which an answer is there."""

LARGEST = 2**26
"""Bytes of a line that is read."""


class Wrong(Exception):
    """An answer that is none."""


class Idle(EOFError):
    """A connection that was ended before any of an answer came."""


class Question(NamedTuple):
    """A request that a seed is part of."""

    path: str
    body: dict[str, Any]


class Response(NamedTuple):
    """What is said in one response, however it came."""

    reasoning: str
    text: str
    finish: str
    tokens: tuple[str, ...] | None  # where they are told


class Answer(NamedTuple):
    """To a question: its responses, and what they are said to have cost."""

    responses: tuple[Response, ...]
    prompt_tokens: int
    drawn_tokens: int


class Took(NamedTuple):
    """Seconds from the question to the first bytes of its answer, and to its end."""

    first: float
    all: float


def questions(number: int, draw: random.Random) -> list[Question]:
    """So many of them: chats and completions, of one response or some, of one token or hundreds."""
    problems = [str(problem.prompt) for problem in open_task("quadratics").held_out(number)]
    found = []
    for problem in problems:
        body: dict[str, Any] = {
            "n": draw.choice((1, 1, 1, 2, 4)),
            "max_tokens": draw.choice((1, 5, 16, 64, 200, 400)),
            "temperature": draw.choice((0, 0.7, 1.0, 1.5)),
            "seed": draw.randrange(2**63),
        }
        if draw.random() < 0.3:
            body["top_p"] = draw.choice((0.5, 0.9))
        if draw.random() < 0.3:
            body["stop"] = draw.choice(("x=", ["</think>", "="], ["never to be seen"]))
        told = draw.random() < 0.3
        if draw.random() < 0.5:
            body |= {"messages": [{"role": "user", "content": problem}]}
            body |= {"logprobs": True, "top_logprobs": 2} if told else {}
            found.append(Question(CHAT, body))
        else:
            body |= {"prompt": problem} | ({"logprobs": 2} if told else {})
            found.append(Question(COMPLETIONS, body))
    return found


class Client:
    """Asks over a connection that stays open for some questions."""

    def __init__(self, port: int):
        self._port = port
        self.reconnected = 0
        self._line: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, question: Question, *, stream: bool) -> tuple[Answer, Took]:
        """The answer. Raises Wrong for what is none, OSError or EOFError where the connection ends, TimeoutError."""
        async with asyncio.timeout(WITHIN):
            try:
                if self._line is not None:  # it may have been ended for having been idle, while the question came
                    try:
                        return await self._ask(question, stream)
                    except Idle:
                        self.leave()
                        self.reconnected += 1
                return await self._ask(question, stream)
            except BaseException:
                self.leave()
                raise

    def leave(self) -> None:
        """End the connection; the next question makes another."""
        if self._line is not None:
            self._line[1].close()
            self._line = None

    async def _ask(self, question: Question, stream: bool) -> tuple[Answer, Took]:
        more: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
        data = json.dumps(question.body | more).encode()
        head = f"POST {question.path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nContent-Type: {JSON}\r\n"
        kept = self._line
        if kept is None:
            kept = self._line = await asyncio.open_connection("127.0.0.1", self._port, limit=LARGEST)
        reader, writer = kept
        began = time.perf_counter()
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        try:
            status, headers = await read_head(reader)
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            if getattr(error, "partial", b""):
                raise
            raise Idle(f"ended before any of the answer came ({error!r})") from error
        first = time.perf_counter()
        if stream and status == 200:
            answer = read_stream(await _chunks(reader), headers, question)
        else:
            body = await reader.readexactly(int(headers["content-length"]))
            if status != 200:
                raise Wrong(f"status {status}: {body[:300]!r}")
            answer = read_whole(body, headers, question)
        return answer, Took(first - began, time.perf_counter() - began)


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return int(first.split(" ")[1]), headers


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    """A body in chunks, to its end."""
    body = b""
    while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


def read_whole(body: bytes, headers: dict[str, str], question: Question) -> Answer:
    """An answer in one piece."""
    _require(headers.get("content-type") == JSON, f"of the type {headers.get('content-type')}")
    found = json.loads(body)
    chat = question.path == CHAT
    _require(found["object"] == ("chat.completion" if chat else "text_completion"), f"an object {found['object']}")
    responses = []
    for place, choice in enumerate(found["choices"]):
        _require(choice["index"] == place, "responses in disorder")
        message = choice["message"] if chat else {"content": choice["text"]}
        tokens = _tokens(choice["logprobs"], chat)
        responses.append(
            Response(
                message.get("reasoning") or "", message["content"], choice["finish_reason"], tokens and tuple(tokens)
            )
        )
    return _checked(responses, found["usage"], question)


def read_stream(body: bytes, headers: dict[str, str], question: Question) -> Answer:
    """An answer as server-sent events."""
    _require(headers.get("content-type", "").startswith("text/event-stream"), "no stream of events")
    text = body.decode()
    _require(text.endswith("\n\n"), "a stream that breaks off")
    events = text[:-2].split("\n\n")
    _require(all(event.startswith("data: ") for event in events), "an event without data")
    *chunks, done = [event.removeprefix("data: ") for event in events]
    _require(done == "[DONE]", f"a stream that ends by {done[:300]}")
    found = [json.loads(chunk) for chunk in chunks]
    _require(not any("error" in chunk for chunk in found), "a stream with an error")
    _require(len({chunk["id"] for chunk in found}) == 1, "chunks of several answers")
    *others, last = found
    _require(last["choices"] == [] and bool(last["usage"]), "a stream without its usage")
    _require(all(chunk["usage"] is None for chunk in others), "usage in the wrong place")
    chat, n = question.path == CHAT, question.body["n"]
    reasoning, texts, finish = [""] * n, [""] * n, [""] * n
    tokens: list[list[str] | None] = [None] * n
    for chunk in others:
        for choice in chunk["choices"]:
            place = choice["index"]
            delta = choice["delta"] if chat else {"content": choice["text"]}
            _require(not finish[place], "something after the end of a response")
            reasoning[place] += delta.get("reasoning", "")
            texts[place] += delta.get("content", "")
            finish[place] = choice["finish_reason"] or ""
            if (told := _tokens(choice["logprobs"], chat)) is not None:
                tokens[place] = [*(tokens[place] or []), *told]
    responses = [
        Response(*parts, told if told is None else tuple(told))
        for *parts, told in zip(reasoning, texts, finish, tokens, strict=True)
    ]
    return _checked(responses, last["usage"], question)


def _tokens(logprobs: Any, chat: bool) -> list[str] | None:
    if logprobs is None:
        return None
    return [token["token"] for token in logprobs["content"]] if chat else logprobs["tokens"]


def _checked(responses: Sequence[Response], usage: dict[str, Any], question: Question) -> Answer:
    """The answer, if it is of that many responses that ended, of no more tokens than it says."""
    n, most, told = question.body["n"], question.body["max_tokens"], bool(question.body.get("logprobs"))
    drawn, read = usage["completion_tokens"], usage["prompt_tokens"]
    _require(len(responses) == n, f"{len(responses)} responses of {n}")
    _require(all(one.finish in ("stop", "length") for one in responses), "a response without an end")
    _require(n <= drawn <= n * most and usage["total_tokens"] == drawn + read, f"a usage of {usage}")
    if told:  # the token that ends a response is none of its text
        tokens = [len(one.tokens or ()) for one in responses]
        ends = sum(one.finish == "stop" for one in responses)
        _require(sum(tokens) <= drawn <= sum(tokens) + ends, f"{tokens} tokens told, and a usage of {usage}")
        responses = [one._replace(tokens=one.tokens or ()) for one in responses]
    return Answer(tuple(responses), read, drawn)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)
