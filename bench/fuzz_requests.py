"""Targets that answer requests: the pages' addresses, and OpenAI's endpoints around a model of random weights."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import fuzz_mutate as mutate
from fuzz_runs import made
from fuzz_watch import Make, Target, Try

HOST = "127.0.0.1:8777"
JSON = "application/json"
CONTEXT = 96
"""Tokens of the model's context: no request draws long."""

TEMPLATE = "{% for m in messages %}{{ m['role'][0] }}:{{ m['content'] }};{% endfor %}a:"
"""A short one, so that messages have room within it."""

BODIES: dict[str, tuple[dict[str, Any], ...]] = {
    "/v1/chat/completions": (
        {"messages": [{"role": "user", "content": "Solve"}], "max_tokens": 4},
        {
            "model": "m", "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}], "n": 2,
            "temperature": 0.5, "top_p": 0.9, "top_k": 5, "seed": 7, "stop": ["a", "END"], "logprobs": True,
            "top_logprobs": 3, "stream": True, "stream_options": {"include_usage": True}, "max_completion_tokens": 5,
        },
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                {"role": "assistant", "content": "c", "reasoning_content": "d"},
                {"role": "user", "content": "e"},
            ],
            "tools": [], "response_format": {"type": "text"}, "user": "me", "logit_bias": {}, "frequency_penalty": 0,
        },
    ),
    "/v1/completions": (
        {"prompt": "Solve", "max_tokens": 4, "temperature": 0},
        {"prompt": [[1, 2, 3], [4]], "n": 2, "logprobs": 2, "echo": False, "stream": True, "max_tokens": 9},
        {"model": "m", "prompt": [5, 6], "best_of": 2, "suffix": "", "top_k": 3, "stop": ["a", "b"], "stream": True},
        {"prompt": ["a", "b"], "stop": "c", "seed": -1, "min_p": 0, "repetition_penalty": 1},
    ),
}  # fmt: skip
FIELDS = (
    *(
        "messages",
        "role",
        "content",
        "user",
        "assistant",
        "developer",
        "tool",
        "type",
        "text",
        "image_url",
        "prompt",
        "n",
    ),
    *(
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "stop",
        "logprobs",
        "stream",
        "<think>",
        "</think>",
        "<|im_end|>",
    ),
)
QUESTIONS: tuple[tuple[str, dict[str, str]], ...] = (
    ("runs", {}),
    ("run", {"run": "run"}),
    ("step", {"run": "run", "step": "1"}),
    ("group", {"run": "run", "step": "1", "group": "0"}),
    ("response", {"run": "run", "step": "1", "group": "0", "response": "1"}),
    ("problems", {"run": "run", "sort": "visits", "page": "1", "kind": "mixed"}),
    ("problem", {"run": "run", "problem": "quadratics/1/0"}),
    ("notes", {"run": "run"}),
    ("notes.jsonl", {"run": "run"}),
    ("report", {"run": "run"}),
    ("search", {"run": "run", "text": "wait", "case": "1", "right": "1", "limit": "3", "sort": "reward", "from": "0"}),
    ("search", {"run": "run", "regex": "x=(2|3)", "sort": "oldest", "to": "2"}),
    ("search", {"run": "run", "preset": "longest", "right": "0"}),
    ("live", {"run": "run", "after": "12-00000000.0-00000000.running"}),
    ("poll", {"run": "run", "after": "1-2"}),
    ("chat/models", {"run": "run"}),
)
NOTE = {"step": 1, "group": 0, "response": 1, "label": "odd", "text": "a note"}
HEADERS = {"host": HOST, "content-type": JSON, "origin": f"http://{HOST}", "accept": "*/*"}
HEADER_WORDS = (
    "content-length",
    "authorization",
    "cookie",
    "transfer-encoding",
    "sec-fetch-site",
    "last-event-id",
    "range",
    HOST,
    JSON,
)


class Asked(NamedTuple):
    """A request, as a server hands it over."""

    method: str
    target: bytes
    headers: tuple[tuple[str, str], ...]
    body: bytes | list[bytes]
    leaves: bool  # when the first of the answer is there


def serve(folder: Path) -> tuple[Make, Try]:
    """OpenAI's endpoints: bodies, headers and paths."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast
    from transformers.utils import logging

    from groupthink.web.serve.app import create_app
    from groupthink.web.serve.opened import open_model
    from tests.tiny import tiny

    logging.disable_progress_bar()
    signs = sorted(pre_tokenizers.ByteLevel.alphabet())
    core = Tokenizer(models.BPE(vocab={sign: index for index, sign in enumerate(signs)}, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=core, chat_template=TEMPLATE).save_pretrained(folder / "m")
    tiny("qwen3", vocab_size=len(signs), eos_token_id=None, max_position_embeddings=CONTEXT).save_pretrained(
        folder / "m"
    )
    app = create_app(open_model("m"), hosts=[HOST])  # beside which one is: so it is called

    def make(draw: random.Random) -> Asked:
        path = draw.choice(list(BODIES))
        body = mutate.json_text(draw, draw.choice(BODIES[path]), FIELDS)
        if draw.random() < 0.1:
            path = f"/v1/models/{_storable(mutate.text(draw, ['m', 'a/b'], FIELDS))}"
            return _asked(draw, "GET", quote(path, safe=draw.choice(("", "/"))) if draw.random() < 0.8 else path, b"")
        return _asked(draw, "POST", path, body)

    return make, _answered(app)


def pages(folder: Path) -> tuple[Make, Try]:
    """The addresses of the pages, and notes that are written."""
    from groupthink.web.app import create_app

    made(folder)
    app = create_app(folder, hosts=[HOST])

    def make(draw: random.Random) -> Asked:
        if draw.random() < 0.2:
            return _asked(draw, "POST", "/api/notes?run=run", mutate.json_text(draw, NOTE, ("id", *NOTE)))
        what, asked = draw.choice(QUESTIONS)
        query = urlencode(mutate.flat(draw, asked), errors="surrogatepass")
        method = draw.choice(("GET",) * 8 + ("HEAD", "DELETE"))
        return _asked(draw, method, f"/api/{what}?{query}", b"", leaves=what == "live")

    return make, _answered(app)


def _asked(draw: random.Random, method: str, target: str, body: bytes, leaves: bool = False) -> Asked:
    headers = dict(HEADERS)
    if draw.random() < 0.15:
        headers = mutate.flat(draw, headers, HEADER_WORDS)
    pairs = tuple((_latin(key), _latin(one)) for key, one in headers.items())
    sent = target.encode(errors="surrogatepass")
    if draw.random() < 0.03:
        sent = mutate.data(draw, sent)
    halves: bytes | list[bytes] = [body[: len(body) // 2], body[len(body) // 2 :]] if draw.random() < 0.2 else body
    return Asked(method, sent if sent.startswith(b"/") else b"/" + sent, pairs, halves, leaves or draw.random() < 0.05)


def _storable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _latin(text: str) -> str:
    return text.encode("latin-1", errors="replace").decode("latin-1")


def _answered(app: Any) -> Try:
    """Asks, and requires an answer that is one: no failure of the server's own, and JSON where it says so."""
    from tests.web.asked import asked

    loop = asyncio.new_event_loop()
    loop.run_until_complete(_begin(app))

    def read(request: Asked) -> None:
        question = asked(app, request.target, request.method, request.headers, request.body, None, leave=request.leaves)
        answer = loop.run_until_complete(question)
        kind = answer.headers.get("content-type", "")
        assert answer.status < 500, f"status {answer.status}: {answer.body[:200]!r}"
        if kind.startswith("text/event-stream") and not request.leaves and request.method == "POST":
            events = [line.removeprefix("data: ") for line in answer.body.decode().splitlines() if line]
            assert events[-1] == "[DONE]", "a stream without an end"
            assert not any("error" in json.loads(event) for event in events[:-1]), "a stream that failed"
        elif kind.startswith(JSON) and answer.body:
            found = json.loads(answer.body)
            assert answer.status < 400 or found["error"], "a refusal that says nothing"
        elif "ndjson" in kind:
            lines = [json.loads(line) for line in answer.body.decode().split("\n") if line]
            assert not any("error" in line for line in lines), f"a line that failed: {answer.body[:200]!r}"

    return read


async def _begin(app: Any) -> None:
    """The application's life begins, and goes on for as long as the process."""
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    done: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    await events.put({"type": "lifespan.startup"})
    app.state.life = asyncio.create_task(app({"type": "lifespan", "app": app, "state": {}}, events.get, done.put))
    assert (await done.get())["type"] == "lifespan.startup.complete"


REQUESTS = (
    Target("serve", "requests to OpenAI's endpoints", serve, modules=("groupthink.web.serve.app", "tests.tiny")),
    Target("pages", "requests to the pages' addresses", pages, modules=("groupthink.web.app", "tests.web.made")),
)
