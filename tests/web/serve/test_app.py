"""What the application says of itself and of what it refuses, asked without a network and without drawing."""

import json
from dataclasses import replace
from urllib.parse import quote

import pytest

from groupthink.web.serve import opened as module
from groupthink.web.serve.app import create_app
from groupthink.web.serve.opened import open_model
from tests.web.asked import HOST, ask

TOKEN = "a token of many signs"


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
