"""The chat page: the model before and after answers the same question, once and as a whole group."""

import re

from playwright.sync_api import expect

from tests_peers.web.places import link
from tests_peers.web.training import NAME

SECONDS = 60_000  # the first question loads two models


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


def test_it_can_be_stopped(visitor, finished):
    page = visitor.to(link("chat", run=NAME, n=16, t=2, q="Solve x^2-5x+6=0"))
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    expect(page.locator("main .failed")).to_have_count(0)
