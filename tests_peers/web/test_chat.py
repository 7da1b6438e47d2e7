"""The chat page: the model before and after answers the same question, once and as a whole group."""

import json
import re

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from playwright.sync_api import expect

from tests.web.made import endless_run
from tests_peers.web.places import link
from tests_peers.web.training import NAME
from tests_peers.web.viewing import Visitor, viewed

SECONDS = 60_000  # the first question loads two models
PROMPT = f"Solve x^2-5x+6=0. {'Think of each step, and check it. ' * 30}Write the smaller root first."


@pytest.fixture(scope="module")
def endless(tmp_path_factory):
    """The address of the pages of a run whose model does not end by itself, and which was measured by long problems."""
    folder = tmp_path_factory.mktemp("endless")
    run = endless_run(folder / "runs" / "endless")
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PROMPT}]
    same = {"kind": "sample", "expected": "x=2, x=3", "text": "x=2", "right": False, "length": 3, "finish": "stop"}
    rows = [{**same, "problem": "p/1", "prompt": PROMPT}, {**same, "problem": "p/2", "prompt": json.dumps(talk)}]
    (run / "evaluations").mkdir()
    parquet.write_table(pa.Table.from_pylist(rows), run / "evaluations" / "before.parquet")
    (run / "evaluations" / "before.json").write_text('{"problems": 2, "samples": 1}')
    with viewed(run.parent, folder) as address:
        yield f"{address}/"


@pytest.fixture
def guest(browser, endless):
    """In front of them."""
    one = Visitor(browser, endless)
    try:
        yield one
    except BaseException:
        one.close()
        raise
    one.leave()


def test_both_answer_side_by_side(visitor, finished):
    page = visitor.to(link("chat", run=NAME, seed=3, max=120))
    page.locator(".suggestions button").first.click()
    expect(page.get_by_label("question", exact=True)).not_to_be_empty()
    page.get_by_role("button", name="Ask").click()
    columns = page.locator(".turn-column")
    expect(columns.locator(".turn-scored")).to_have_count(2, timeout=SECONDS)
    for column in columns.all():
        expect(column.locator(".chain-reasoning")).to_be_visible()
        expect(column.locator(".turn-scored")).to_contain_text("reward")
    expect(page.locator(".turns")).to_have_attribute("aria-busy", "false")
    folded = columns.first.locator("details.chain-reasoning")
    assert folded.get_attribute("open") is not None
    folded.locator("summary").click()
    assert folded.get_attribute("open") is None
    assert visitor.barriers() == []


def test_a_whole_group_is_scored(visitor, finished):
    page = visitor.to(link("chat", run=NAME, seed=3, max=100, n=8, q="Solve x^2-5x+6=0", expected="x=2, x=3"))
    page.get_by_label("question", exact=True).press("Enter")
    expect(page.locator(".turn-column .strip-button")).to_have_count(16, timeout=SECONDS)
    for column in page.locator(".turn-column").all():
        expect(column.locator(".turn-sum")).to_contain_text(re.compile(r"\d of 8 right"))
        expect(column.locator("li")).to_have_count(8)
    page.locator(".turn-column").first.locator(".strip-button").first.press("Enter")
    expect(page.locator(".turn-group details[open] .chain")).to_be_visible()
    assert visitor.barriers() == []


def test_it_can_be_stopped(guest):
    page = guest.to(link("chat", run="endless", n=16, t=2, q="Solve x^2-5x+6=0"))  # it does not end before the press
    asked = []
    page.on("request", lambda request: asked.append(request) if request.method == "POST" else None)
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    page.wait_for_timeout(300)  # for what the press might set off beside that
    assert len(asked) == 1
    expect(page.locator("main .failed")).to_have_count(0)
    expect(page.locator(".turn-column").first).to_contain_text("stopped before it was done")


def test_a_suggestion_is_asked_whole(guest):
    page = guest.to(link("chat", run="endless", t=0.5))
    suggestions = page.locator(".suggestions button")
    expect(suggestions).to_have_count(2)
    text, talk = suggestions.all()
    expect(text).to_contain_text("Solve")
    text.click()
    expect(page.get_by_label("question", exact=True)).to_have_value(PROMPT)
    expect(page.get_by_label("expected answer")).to_have_value("")  # the run knows it by the prompt
    page.get_by_label("question", exact=True).fill("x")
    talk.click()
    expect(page.get_by_label("question", exact=True)).to_have_value(PROMPT)
    expect(page.get_by_label("expected answer")).to_have_value("x=2, x=3")
    expect(page.get_by_label("temperature")).to_have_value("0.5")


def test_who_asks_while_a_suggestion_is_on_its_way_means_that_one(guest):
    page = guest.to(link("chat", run="endless", q="another one", max=5))
    problem, asked = [], []
    page.route("**/api/problem?*", lambda route: problem.append(route))
    page.route("**/api/chat", lambda route: asked.append(route))
    page.locator(".suggestions button").first.click()
    page.get_by_role("button", name="Ask").click()
    page.wait_for_timeout(300)
    assert len(problem) == 1 and not asked
    problem[0].continue_()
    expect(page.locator(".turn-column .loading").first).to_contain_text("The model is being loaded")
    assert [json.loads(one.request.post_data)["messages"][0]["content"] for one in asked] == [PROMPT]
    asked[0].fulfill(content_type="application/x-ndjson", body='{"ready": true}\n{"end": true}\n')
    expect(page.locator(".turn-column").first).to_contain_text("nothing was said")


def test_who_leaves_the_page_wants_no_more(guest):
    page = guest.to(link("chat", run="endless", n=16, q="Solve x^2-5x+6=0"))
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".turn-group li")).to_have_count(16, timeout=SECONDS)
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/api/chat"), timeout=5000):
        page.evaluate("location.hash = '#/runs'")
    guest.arrived()


def test_where_one_of_two_fails_the_conversation_is_not_stuck(guest):
    page = guest.to(link("chat", run="endless", left="endless@model", right="nano", talk=1, max=5, q="Solve x^2-1=0"))
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".turn-column .turn-scored")).to_have_count(2, timeout=SECONDS)
    expect(page.get_by_role("button", name="Ask")).to_be_visible()

    def fail_of_nano(route):
        if json.loads(route.request.post_data)["models"] != ["nano"]:
            return route.continue_()
        page.wait_for_timeout(1500)  # until the other one is at it
        route.fulfill(content_type="application/x-ndjson", body='{"error": "nothing to say"}\n')

    page.route("**/api/chat", fail_of_nano)
    page.get_by_label("at most").fill("")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("main .failed")).to_contain_text("nothing to say", timeout=SECONDS)
    page.wait_for_timeout(1000)
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    expect(page.locator(".turns")).to_have_attribute("aria-busy", "false")
    said = page.locator(".turn").first.inner_text()
    page.wait_for_timeout(500)
    assert page.locator(".turn").first.inner_text() == said
    page.unroute("**/api/chat")
    page.get_by_label("at most").fill("5")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator(".turn").first.locator(".turn-scored")).to_have_count(2, timeout=SECONDS)
