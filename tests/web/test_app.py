"""The addresses of the room, asked as its pages ask them."""

import asyncio
import json
import threading
import time

import pytest

from groupthink.pipeline import dump_pipeline
from groupthink.pipeline.reading import load_pipeline
from groupthink.run.lines import append_line
from groupthink.web import live
from groupthink.web.api import READERS
from groupthink.web.app import create_app
from groupthink.web.front import STATIC
from groupthink.web.reading import index
from groupthink.web.reading.index import groups_of
from groupthink.web.search.scanning import scan
from tests.web.asked import HOST, OWN, ask, asked
from tests.web.made import begin_run, made_run, row, write_step

HOSTILE = "<script>alert(1)</script>\x00\u202e\u2028 \x1b[2J </textarea>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all") / "runs"
    made_run(folder / "r", steps=3)
    made_run(folder / "deep/er", steps=1)
    odd = begin_run(folder / "odd", steps=1)
    write_step(odd, 0, [row(0, HOSTILE), row(1, "no", reward=0.0, accuracy=0.0)], {"step": 0, "reward": float("nan")})
    return folder


@pytest.fixture(scope="module")
def app(folder):
    return create_app(folder, hosts=[HOST])


def get(app, target, status=200):
    answer = ask(app, target)
    assert answer.status == status and answer.headers["cache-control"] == "no-store", answer
    return answer.json


def lines(app, target):
    answer = ask(app, target)
    assert answer.status == 200 and answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.body.splitlines()]


def test_every_address_answers_of_a_run(app):
    runs = get(app, "/api/runs")
    assert {one["name"] for one in runs["runs"]} == {"r", "deep/er", "odd"}
    assert get(app, "/api/run?run=deep%2Fer")["name"] == "deep/er"
    step = get(app, "/api/step?run=r&step=2")
    assert len(step["groups"]) == 3 and step["run"] == "r"
    group = get(app, "/api/group?run=r&step=2&group=1")
    assert len(group["responses"]) == 4 and group["group"] == 1
    response = get(app, "/api/response?run=r&step=2&group=1&response=3")
    assert response["response"] == 3 and response["tokens"]["id"]
    problems = get(app, "/api/problems?run=r&sort=name")
    assert problems["total"] == 9
    problem = problems["problems"][0]["problem"]
    assert get(app, f"/api/problem?run=r&problem={problem}")["problem"] == problem
    assert get(app, "/api/notes?run=r") == {"notes": []}
    assert get(app, "/api/poll?run=r")["events"] and get(app, "/api/poll")["events"] == []


def test_what_is_not_there_is_told(app):
    for target in (
        "/api/step?run=r&step=9",
        "/api/group?run=r&step=0&group=9",
        "/api/problem?run=r&problem=x",
        "/api/x",
    ):
        assert get(app, target, 404)["error"]
    for target in ("/api/step?run=r", "/api/problems?run=r&sort=x", "/api/search?run=r", "/api/search?run=r&regex=("):
        assert get(app, target, 400)["error"]


def test_a_search_streams_its_lines(app):
    *hits, end = lines(app, "/api/search?run=r&regex=x%3D%5Cd&limit=5")
    assert len(hits) == end["shown"] == 5 and all(hit["hit"]["match"] == "x=2" for hit in hits)
    assert ask(app, "/api/search?run=r&text=a", method="HEAD").body == b""


def test_after_a_search_by_a_figure_the_run_is_read(app, folder):
    index._held.clear()
    lines(app, "/api/search?run=r&text=x")
    assert groups_of(folder / "r", -1.0).steps == 0
    lines(app, "/api/search?run=r&preset=rewarded-wrong")
    until = time.monotonic() + 20
    while groups_of(folder / "r", -1.0).steps < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert groups_of(folder / "r", -1.0).steps == 3


def test_a_search_ends_when_whoever_asked_goes_away(tmp_path, monkeypatch):
    made_run(tmp_path / "r", steps=60, groups=1)
    read = []
    monkeypatch.setattr("groupthink.web.search.walk.scan", lambda *of: time.sleep(0.05) or read.append(1) or scan(*of))
    answer = ask(create_app(tmp_path, hosts=[HOST]), "/api/search?run=r&regex=.", leave=True)
    assert b'"hit"' in answer.body and b'"curve"' not in answer.body
    before = -1
    while len(read) > before:  # those that were begun come to their end
        before = len(read)
        time.sleep(0.5)
    assert before < 60


def test_what_a_model_wrote_comes_as_the_text_that_it_is(app):
    group = get(app, "/api/group?run=odd&step=0&group=0")
    assert HOSTILE in [one["text"] for one in group["responses"]]
    assert get(app, "/api/run?run=odd")["series"]["reward"] == [None]
    (hit, _) = lines(app, "/api/search?run=odd&text=alert")
    assert hit["hit"]["before"] + hit["hit"]["match"] + hit["hit"]["after"] == HOSTILE


def test_notes_are_written_read_exported_and_taken_away(app):
    note = {"step": 0, "group": 0, "response": 0, "label": "\ud800", "text": HOSTILE}
    made = ask(app, "/api/notes?run=odd", "POST", OWN, json.dumps(note).encode())
    assert made.status == 201 and made.json["label"] == "\ud800"
    assert get(app, "/api/notes?run=odd")["notes"] == [made.json]
    (exported,) = lines(app, "/api/notes.jsonl?run=odd")
    assert exported["text"] == exported["note"] == HOSTILE
    for status in (200, 404):
        assert ask(app, f"/api/notes?run=odd&id={made.json['id']}", "DELETE", OWN).status == status
    assert get(app, "/api/notes?run=odd") == {"notes": []}


def test_the_front_end_is_asked_for_again_only_where_it_has_changed(app):
    page = ask(app, "/")
    assert page.status == 200 and page.headers["content-type"] == "text/html; charset=utf-8"
    assert b"referrer" not in page.body  # it would have the last word over the header, and writes no origin
    assert page.headers["cache-control"] == "no-cache" and page.body == (STATIC / "index.html").read_bytes()
    script = ask(app, "/parts/api.js")
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    assert ask(app, "/style.css").headers["content-type"] == "text/css; charset=utf-8"
    assert ask(app, "/icon.svg").headers["content-type"].startswith("image/svg+xml")
    again = ask(app, "/parts/api.js", headers={"if-none-match": script.headers["etag"]})
    assert (again.status, again.body) == (304, b"") and again.headers["x-content-type-options"] == "nosniff"


def test_events_come_until_the_server_ends(app, folder):
    app = create_app(folder, hosts=[HOST])
    app.state.end()
    answer = ask(app, "/api/live?run=r")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.body.startswith(b"retry: 1000\nid: ") and b"event: step\ndata: " in answer.body
    after = answer.body.decode().rpartition("id: ")[2].strip()
    again = ask(app, "/api/live?run=r", headers={"last-event-id": after})
    assert b"event:" not in again.body
    assert ask(app, f"/api/live?run=r&after={after}").body == again.body
    assert b"event:" not in ask(app, "/api/live").body


def test_the_example_is_computed_once(folder, monkeypatch):
    calls = []
    monkeypatch.setattr("groupthink.web.seed.work_through", lambda: calls.append(1) or {"prompt": "Solve"})
    app = create_app(folder, hosts=[HOST])
    assert get(app, "/api/seed") == get(app, "/api/seed") == {"prompt": "Solve"} and len(calls) == 1


def test_what_takes_long_keeps_no_other_page_waiting(folder, monkeypatch):
    """More ask for it than there are threads, and meanwhile somebody asks for something else."""
    working, done = threading.Event(), threading.Event()
    calls = []
    monkeypatch.setattr(
        "groupthink.web.seed.work_through", lambda: calls.append(1) or working.set() or done.wait(60) or {"prompt": ""}
    )
    monkeypatch.setattr("groupthink.web.api.report_of", lambda place: {"report": done.wait(60)})
    app = create_app(folder, hosts=[HOST])
    answers = []

    async def all_of_them():
        long = [asked(app, target) for target in ("/api/seed", "/api/report?run=r") for _ in range(READERS + 1)]
        waiting = asyncio.gather(*long)
        await asyncio.to_thread(working.wait, 60)
        answers.append(await asked(app, "/api/runs"))
        assert not done.is_set()
        done.set()
        answers.extend(await waiting)

    asyncio.run(asyncio.wait_for(all_of_them(), 120))
    assert [answer.status for answer in answers] == [200] * (1 + 2 * (READERS + 1)) and len(calls) == 1


def test_a_recipes_stages_are_told_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.0)
    whole = tmp_path / "whole"
    stage = begin_run(whole / "stages/01-zero")
    begin_run(tmp_path / "whole-other")
    (whole / "pipeline.toml").write_text(dump_pipeline(load_pipeline("r1")), encoding="utf-8")
    app = create_app(tmp_path, hosts=[HOST])
    begun = get(app, "/api/poll?run=whole")
    assert [(event["kind"], event["data"]["run"]) for event in begun["events"]] == [("status", "whole")]
    append_line(tmp_path / "whole-other/metrics.jsonl", {"step": 0})
    append_line(stage / "metrics.jsonl", {"step": 4})
    told = get(app, f"/api/poll?run=whole&after={begun['id']}")["events"]
    steps = [event["data"] for event in told if event["kind"] == "step"]
    assert steps == [{"run": "whole/stages/01-zero", "step": 4}]
    assert {event["data"]["run"] for event in told} <= {"whole", "whole/stages/01-zero"}


def test_there_is_no_room_without_a_folder(tmp_path):
    with pytest.raises(LookupError, match="no folder"):
        create_app(tmp_path / "absent", hosts=[HOST])
