"""Requests that must not be answered, each with the answer that it gets instead."""

import pytest

from groupthink.web.app import create_app
from groupthink.web.safety import HEADERS, LARGEST_BODY
from tests.web.asked import HOST, OWN, ask
from tests.web.made import made_run

HOSTS = [HOST, "localhost:8777", "[::1]:8777"]
TOKEN = "a token of many signs"
NOTE = b'{"step": 0, "group": 0, "response": 0, "label": "a"}'
WRITE = f"http://{HOST}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all") / "runs"
    made_run(folder / "r", steps=2)
    made_run(folder.parent / "outside", steps=1)
    (folder / "link").symlink_to(folder.parent / "outside")
    (folder.parent / "secret").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def app(folder):
    return create_app(folder, hosts=HOSTS)


@pytest.fixture(scope="module")
def locked(folder):
    return create_app(folder, hosts=HOSTS, token=TOKEN)


def no_origin(**more):
    return {"content-type": "application/json", **more}


NAMES = [
    (403, {"host": host})
    for host in (
        None, "", "evil.example", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8778", "localhost:8777.evil.example",
        "localhost:8777@evil.example", "evil@localhost:8777", "localhost.:8777", "[::1]", "127.1:8777",
        "2130706433:8777", "0.0.0.0:8777", "localhost:8777, evil.example", "127.0.0.1:8777/", "[::ffff:127.0.0.1]:8777",
    )
] + [(400, {"headers": {"host": "evil.example"}})]  # fmt: skip

ORIGINS = [
    (403, {"headers": {"origin": origin}})
    for origin in (
        "http://evil.example", "null", f"https://{HOST}", "http://127.0.0.1", f"http://{HOST}.evil.example",
        "http://localhost:8777", "file://", "", f"http://{HOST} http://evil.example", f"http://{HOST}/",
    )
] + [
    (403, {"target": "/app.js", "headers": {"origin": "http://evil.example"}}),
    (403, {"target": "/api/live", "headers": {"origin": "http://evil.example"}}),
    (400, {"headers": [("origin", f"http://{HOST}"), ("origin", "http://evil.example")]}),
    (403, {"headers": {"sec-fetch-site": "cross-site"}}),
    (403, {"headers": {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}}),
    (403, {"headers": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"}}),
    (403, {"method": "POST", "target": "/api/notes?run=r", "headers": no_origin(), "body": NOTE}),
    (403, {"method": "POST", "target": "/api/notes?run=r", "headers": no_origin(origin="null"), "body": NOTE}),
    (403, {"method": "POST", "target": "/api/notes?run=r", "body": NOTE,
           "headers": no_origin(**{"sec-fetch-site": "none"})}),
    (403, {"method": "POST", "target": "/api/notes?run=r", "body": NOTE,
           "headers": no_origin(**{"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate",
                                   "sec-fetch-dest": "document"})}),
    (403, {"method": "DELETE", "target": "/api/notes?run=r&id=x"}),
    (403, {"method": "DELETE", "target": "/api/notes?run=r&id=x", "headers": {"origin": "http://evil.example"}}),
]  # fmt: skip

PATHS = [
    (400, {"target": target})
    for target in (
        b"/../secret", b"/%2e%2e/secret", b"/..%2fsecret", b"/parts/../../secret", b"/..%5csecret", b"/..\\secret",
        b"/app.js%00.png", b"/app.js\x00", b"//evil.example/", b"/parts//api.js", b"/.git/config", b"/./app.js",
        b"/%252e%252e/secret", b"/..;/secret", b"/api/run%3frun=r", "/é".encode(), b"/app.js\r\nx:y",
        b"http://evil.example/", b"*", b"", b"/%c0%ae%c0%ae/secret", b"/C:/windows", b"/api/runs ",
        b"/api/runs?a=\x00", b"/api/runs?\xff",
    )
]  # fmt: skip

RUNS = [
    (404, {"target": f"/api/{what}?run={run}&step=0&group=0&response=0&text=a"})
    for what, run in (
        ("run", "../outside"), ("run", "%2e%2e%2foutside"), ("step", "..%2Foutside"), ("group", "/etc"),
        ("response", "r%2f..%2f..%2foutside"), ("search", "..%5coutside"), ("notes", "%00"), ("live", "r%00"),
        ("poll", "link"), ("notes.jsonl", "link"), ("problems", "."), ("run", "%ed%a0%80"), ("run", "r" * 5000),
        ("run", "CON"), ("run", "r/rollouts"),
    )
] + [
    (400, {"target": "/api/run?run=r&run=link"}),
    (400, {"target": "/api/run"}),
    (400, {"target": "/api/step?run=r&step=-1"}),
    (400, {"target": "/api/step?run=r&step=1e3"}),
    (404, {"target": "/api/step?run=r&step=999999999999"}),
]  # fmt: skip

SIZES = [
    (413, {"method": "POST", "target": "/api/notes?run=r", "headers": OWN, "body": b" " * (LARGEST_BODY + 1)}),
    (413, {"method": "POST", "target": "/api/notes?run=r", "headers": OWN, "body": [b" " * 100_000] * 11}),
    (413, {"headers": {"content-length": "9" * 30}}),
    (400, {"headers": {"content-length": "-1"}}),
    (400, {"headers": {"content-length": "1e3"}}),
    (400, {"headers": [("content-length", "5"), ("content-length", "6")]}),
    (431, {"headers": {"x": "a" * 17_000}}),
    (431, {"headers": [(f"x-{number}", "a") for number in range(120)]}),
    (414, {"target": "/api/runs?" + "a" * 9_000}),
    (414, {"target": "/" + "a" * 1_100}),
]  # fmt: skip

METHODS = [(405, {"method": method}) for method in ("OPTIONS", "TRACE", "CONNECT", "PUT", "PATCH", "get", "EVIL")] + [
    (405, {"method": "OPTIONS", "headers": {"origin": WRITE, "access-control-request-method": "DELETE"}}),
    (405, {"method": "POST", "headers": OWN, "body": b"{}"}),
    (405, {"method": "DELETE", "target": "/app.js", "headers": OWN}),
    (405, {"method": "DELETE", "target": "/api/search?run=r&text=a", "headers": OWN}),
]  # fmt: skip

BODIES = [
    (415, {"headers": {"origin": WRITE}}),
    (415, {"headers": {"origin": WRITE, "content-type": "text/plain"}}),
    (415, {"headers": {"origin": WRITE, "content-type": "application/x-www-form-urlencoded"}}),
    (415, {"headers": {"origin": WRITE, "content-type": "application/jsonp; charset=utf-8"}}),
    (400, {"body": b"{"}),
    (400, {"body": b"\xff\xfe"}),
    (400, {"body": b'{"step": NaN}'}),
    (400, {"body": b"[" * 100_000}),
    (400, {"body": b'{"step": ' + b"9" * 5_000 + b"}"}),
    (400, {"body": b"[]"}),
    (404, {"body": b'{"step": 0, "group": 99, "response": 0, "label": "a"}'}),
]
BODIES = [
    (status, {"method": "POST", "target": "/api/notes?run=r", "headers": OWN, "body": NOTE, **one})
    for status, one in BODIES
]

HOSTILE = [*NAMES, *ORIGINS, *PATHS, *RUNS, *SIZES, *METHODS, *BODIES]


def refused(answer, status):
    """Whether an answer is this refusal, in words and with all that protects a browser."""
    assert answer.status == status, answer
    assert {name: answer.headers.get(name) for name in HEADERS} == dict(HEADERS)
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert answer.headers["cache-control"] == "no-store" and answer.headers["content-type"] == "application/json"
    assert answer.json["error"] and b"secret" not in answer.body
    return True


def test_there_are_many_of_them():
    assert len(HOSTILE) > 100


@pytest.mark.fault("S6", "S8")
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_requests_are_refused(app, folder, number):
    status, request = HOSTILE[number]
    assert refused(ask(app, **{"target": "/api/runs", **request}), status)
    assert not list(folder.rglob("notes.jsonl"))


@pytest.mark.parametrize(
    "request_of",
    [
        {},
        {"headers": {"authorization": "Bearer wrong"}},
        {"headers": {"authorization": f"Basic {TOKEN}"}},
        {"headers": {"authorization": f"Bearer {TOKEN}x"}},
        {"headers": {"authorization": "Bearer "}},
        {"headers": {"cookie": "groupthink=1"}},
        {"target": "/api/runs?token=wrong"},
        {"target": "/api/runs?token="},
        {"target": f"/api/runs?token={TOKEN}&token={TOKEN}"},
        {"target": "/app.js"},
        {"target": "/no/such/thing"},
        {"target": "/api/live"},
        {"method": "POST", "target": f"/api/notes?run=r&token={TOKEN.replace(' ', '+')}", "headers": OWN, "body": NOTE},
    ],
)
def test_without_the_token_nothing_is_answered(locked, request_of):
    answer = ask(locked, **{"target": "/api/runs", **request_of})
    assert refused(answer, 401) and answer.headers["www-authenticate"] == "Bearer"


def test_the_token_opens_and_leaves_the_address(locked):
    assert ask(locked, "/api/runs", headers={"authorization": f"Bearer {TOKEN}"}).status == 200
    first = ask(locked, f"/?a=1&token={TOKEN.replace(' ', '%20')}&b=%2F")
    assert first.status == 303 and first.headers["location"] == "/?a=1&b=%2F"
    cookie, *flags = first.headers["set-cookie"].split("; ")
    assert flags == ["Path=/", "HttpOnly", "SameSite=Strict"] and TOKEN not in cookie
    assert ask(locked, "/api/runs", headers={"cookie": f"other=1; {cookie}"}).status == 200
    assert ask(locked, "/api/runs", headers={"cookie": cookie[:-1]}).status == 401
    assert ask(locked, "/api/runs", host="evil.example", headers={"authorization": f"Bearer {TOKEN}"}).status == 403


def test_its_own_pages_and_programs_on_this_machine_are_answered(app, folder):
    for host in HOSTS:
        assert ask(app, "/api/runs", host=host).status == 200
    assert ask(app, "/api/runs", host="LocalHost:8777").status == 200
    own = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert ask(app, "/api/runs", headers=own).status == ask(app, "/api/runs", headers=followed).status == 200
    assert ask(app, "/api/runs", headers={"sec-fetch-site": "none"}).status == 200
    head = ask(app, "/api/runs", method="HEAD")
    assert head.status == 200 and head.headers["content-type"] == "application/json"


def test_a_failure_of_ours_is_told_without_its_insides(folder, monkeypatch, capsys):
    app = create_app(folder, hosts=HOSTS)
    monkeypatch.setattr("groupthink.web.api.list_runs", lambda *_: {}["secret"])
    assert refused(ask(app, "/api/runs"), 500)
    assert "KeyError" in capsys.readouterr().err
