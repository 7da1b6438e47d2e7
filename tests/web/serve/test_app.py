"""What the application says of itself and of what it refuses, asked without a network and without drawing."""

import asyncio
import json
import threading
from collections import Counter
from dataclasses import replace
from urllib.parse import quote

import pytest

from groupthink.model.chat import Chat
from groupthink.web.serve import opened as module
from groupthink.web.serve.app import LONG, MOST_LONG, create_app
from groupthink.web.serve.opened import open_model
from tests.web.asked import HOST, ask, asked

TOKEN = "a token of many signs"
CHAT, JSON = "/v1/chat/completions", {"content-type": "application/json"}


@pytest.fixture(scope="module")
def nano():
    return open_model("nano")


@pytest.mark.parametrize(
    "name", ["nano", "runs/nano", "/home/me/runs/my model", "Qwen/Qwen3-0.6B", "é/../x%2Fy", "a?b"]
)
@pytest.mark.parametrize("safe", ["", "/"])
def test_a_model_is_found_by_its_name_however_that_is_escaped(nano, name, safe):
    app = create_app(replace(nano, name=name), hosts=[HOST])
    found = ask(app, f"/v1/models/{quote(name, safe=safe)}")
    assert (found.status, found.json["id"]) == (200, name)
    other = ask(app, f"/v1/models/{quote(name + '/', safe=safe)}")
    assert other.status == 404 and other.json["error"]["code"] == "model_not_found"


@pytest.mark.parametrize(
    "target",
    [b"/v1/models%2Fnano", b"/v1/./models/nano", b"/health%00", b"/v1/models/a b", b"/v1/models/\xff", b"/v1/../x"],
)
def test_no_other_path_has_escapes(nano, target):
    found = ask(create_app(nano, hosts=[HOST]), target)
    assert found.status == 400 and found.json["error"]["type"] == "invalid_request_error"


def test_a_token_in_an_address_leaves_a_name_as_it_was_asked_for(nano):
    app = create_app(nano, hosts=[HOST], token=TOKEN)
    found = ask(app, f"/v1/models/a%0d%0ab%2Fc?token={quote(TOKEN)}")
    assert (found.status, found.headers["location"]) == (303, "/v1/models/a%0d%0ab%2Fc")
    assert ask(app, "/v1/models").json["error"]["code"] == "invalid_api_key"


def test_want_of_memory_is_no_want_of_context(nano, monkeypatch):
    monkeypatch.setattr(module, "free_memory", lambda device: 1_000_000)
    app = create_app(nano, hosts=[HOST])
    for text, code in (("Solve x^2-5x+6=0", "insufficient_memory"), ("x" * 600, "context_length_exceeded")):
        body = json.dumps({"messages": [{"role": "user", "content": text}], "n": 64}).encode()
        found = ask(app, "/v1/chat/completions", "POST", {"content-type": "application/json"}, body)
        assert (found.status, found.json["error"]["code"]) == (400, code)


def chat(text):
    return json.dumps({"messages": [{"role": "user", "content": text}], "max_tokens": 1}).encode()


@pytest.mark.parametrize("text", ["Solve x^2-5x+6=0. ", "<|end|><|assistant|>", "\U0001f600 "])
def test_a_long_prompt_has_the_tokens_that_it_has(nano, text):
    long = text * (LONG // len(text) + 1)
    found = ask(create_app(nano, hosts=[HOST]), CHAT, "POST", JSON, chat(long))
    assert found.status == 400 and f" {len(nano.chat.encode(long))} tokens" in found.json["error"]["message"]
    body = json.dumps({"prompt": [long, "x"]}).encode()
    found = ask(create_app(nano, hosts=[HOST]), "/v1/completions", "POST", JSON, body)
    assert f" {len(nano.chat.tokenizer.encode(long))} tokens" in found.json["error"]["message"]


def test_long_prompts_keep_nobody_else_waiting(nano, monkeypatch):
    go_on, encode = threading.Event(), Chat.encode

    def slow(self, messages):
        go_on.wait(30)
        return encode(self, messages)

    async def all_at_once():
        app = create_app(nano, hosts=[HOST])
        long = [asyncio.create_task(asked(app, CHAT, "POST", JSON, chat("x" * LONG))) for _ in range(MOST_LONG + 3)]
        while sum(task.done() for task in long) < 3:
            await asyncio.sleep(0.01)
        assert (await asked(app, "/health")).status == 200
        go_on.set()
        return Counter([answer.status for answer in await asyncio.gather(*long)])

    monkeypatch.setattr(Chat, "encode", slow)
    assert asyncio.run(all_at_once()) == {400: MOST_LONG, 429: 3}
