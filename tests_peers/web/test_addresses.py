"""What a page shows is in its address: reloaded, it shows the same."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests_peers.web.places import link, problem_of
from tests_peers.web.training import NAME
from tests_peers.web.viewing import Visitor

STEP = 7


def runs(page: Page) -> None:
    page.get_by_role("button", name="steps", exact=True).click()
    page.get_by_role("searchbox", name="name").fill("lear")
    page.get_by_role("checkbox", name=re.compile("side by side")).check()
    expect(page.get_by_role("heading", name="Side by side")).to_be_visible()
    page.get_by_role("group", name="smoothing").get_by_role("button", name="5", exact=True).click()
    expect(page).to_have_url(re.compile("(?=.*sort=)(?=.*name=lear)(?=.*with=)(?=.*smooth=5)"))


def run(page: Page) -> None:
    page.get_by_role("group", name="smoothing").get_by_role("button", name="15").click()
    page.get_by_text("Which curves").click()
    page.get_by_role("checkbox", name="Loss", exact=True).check()
    page.get_by_role("checkbox", name="Entropy", exact=True).uncheck()
    page.get_by_text("Which curves").click()
    drag(page, page.locator("figure.curve .u-over").first, (0.2, 0.5), (0.6, 0.5))
    expect(page.get_by_role("button", name="all steps")).to_be_visible()
    expect(page).to_have_url(re.compile("(?=.*smooth=15)(?=.*show=.*loss)(?=.*zoom=)"))


def step(page: Page) -> None:
    page.get_by_role("button", name="spread").click()
    page.locator(".sieve label select").select_option("accuracy")
    page.get_by_label("condition of the part").select_option("zero")
    drag(page, page.locator(".scatter-field"), (0.1, 0.05), (0.95, 0.95))
    page.get_by_text("table of the responses in the rectangle").click()
    page.get_by_role("group", name="which groups").get_by_role("button").nth(1).click()
    expect(page).to_have_url(
        re.compile("(?=.*sort=)(?=.*part=accuracy)(?=.*is=zero)(?=.*brush=)(?=.*points=1)(?=.*kind=)")
    )


def group(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.get_by_role("checkbox", name=re.compile("whole chains")).check()
    expect(page.locator(".five-chosen")).to_have_count(1)
    expect(page).to_have_url(re.compile("(?=.*at=)(?=.*whole=1)"))


def response(page: Page) -> None:
    page.locator(".heat-choice select").select_option("entropy")
    page.locator(".token").nth(3).click()
    expect(page.locator(".token-chosen")).to_have_count(1)
    expect(page).to_have_url(re.compile("(?=.*by=entropy)(?=.*token=3)"))


def response_in_a_table(page: Page) -> None:
    page.locator(".token").nth(5).click()
    page.get_by_role("button", name="table of tokens").click()
    expect(page.locator(".row-chosen")).to_have_count(1)
    expect(page).to_have_url(re.compile("(?=.*view=table)(?=.*token=5)"))


def problems(page: Page) -> None:
    page.get_by_role("button", name="right", exact=True).click()
    page.get_by_role("button", name="some right").click()
    expect(page).to_have_url(re.compile("(?=.*sort=rate)(?=.*kind=mixed)"))


def problem(page: Page) -> None:
    page.get_by_text(re.compile("chains of step")).first.click()
    page.get_by_role("button", name="compare this").last.click()
    page.get_by_role("checkbox", name="in one text").check()
    expect(page).to_have_url(re.compile("(?=.*open=)(?=.*a=t)(?=.*view=joined)"))


def search(page: Page) -> None:
    page.get_by_label("what to look for").fill("x[12]|D")
    page.get_by_role("button", name="regular expression").click()
    page.get_by_text("Where, and which").click()
    page.get_by_label("steps from").fill("2")
    page.locator("select[name=sort]").select_option("length")
    page.get_by_label("capitals matter").check()
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.locator(".search-state")).to_contain_text("response")
    expect(page).to_have_url(re.compile("(?=.*regex=)(?=.*from=2)(?=.*sort=length)(?=.*case=1)"))


def chat(page: Page) -> None:
    page.get_by_label("question", exact=True).fill("Solve x^2-5x+6=0")
    page.get_by_label("expected answer").fill("x=2, x=3")
    page.get_by_role("group", name="responses each").get_by_role("button", name="4", exact=True).click()
    page.get_by_label("temperature").fill("0.7")
    page.get_by_label("seed").fill("5")
    page.locator("form.ask select").nth(1).select_option(index=0)
    page.get_by_label("one conversation").check()
    expect(page).to_have_url(
        re.compile("(?=.*q=)(?=.*expected=)(?=.*n=4)(?=.*t=0.7)(?=.*seed=5)(?=.*talk=1)(?=.*right=)")
    )


def notes(page: Page) -> None:
    for label, place in (("odd", "1"), ("good", "2")):
        page.get_by_label("step", exact=True).fill(str(STEP))
        page.get_by_label("group", exact=True).fill("0")
        page.get_by_label("response", exact=True).fill(place)
        page.get_by_label("label", exact=True).fill(label)
        page.get_by_label("note", exact=True).fill(f"a note on response {place}")
        page.get_by_role("button", name="Keep").click()
        expect(page.get_by_text(f"a note on response {place}")).to_be_visible()
    page.get_by_role("button", name="odd", exact=True).click()
    expect(page.get_by_text("a note on response 2")).to_have_count(0)
    expect(page).to_have_url(re.compile("label=odd"))


CASES = {
    "runs": (runs, link("runs")),
    "run": (run, link("run", run=NAME)),
    "step": (step, link("step", run=NAME, step=STEP)),
    "group": (group, link("group", run=NAME, step=STEP, group=1)),
    "response": (response, link("response", run=NAME, step=STEP, group=1, response=0)),
    "response in a table": (response_in_a_table, link("response", run=NAME, step=STEP, group=1, response=0)),
    "problems": (problems, link("problems", run=NAME)),
    "problem": (problem, "the problem of a group"),
    "search": (search, link("search", run=NAME)),
    "chat": (chat, link("chat", run=NAME)),
    "notes": (notes, link("notes", run=NAME)),
}


@pytest.mark.parametrize("name", CASES)
def test_a_reload_shows_the_same(reader: Visitor, finished, name):
    change, place = CASES[name]
    if name == "problem":
        place = link("problem", run=NAME, problem=problem_of(finished, STEP))
    page = reader.to(place)
    change(page)
    settle(reader)
    before, pictures = reader.state(), drawn(page)
    reader.reload()
    settle(reader)
    assert reader.state() == before
    assert drawn(page) == pictures


def test_back_leads_through_the_pages(reader, finished):
    page = reader.to(link("step", run=NAME, step=STEP))
    page.get_by_role("button", name="spread").click()
    expect(page).to_have_url(re.compile("sort="))
    step_as_left = page.url
    page.locator(".strip-link").first.click()
    reader.arrived()
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("at="))
    group_as_left = page.url
    page.keyboard.press("Enter")
    reader.arrived()
    assert "#/response?" in page.url
    page.go_back()
    reader.arrived()
    assert page.url == group_as_left
    page.go_back()
    reader.arrived()
    assert page.url == step_as_left


def settle(reader: Visitor) -> None:
    """Wait until nothing changes any more: a chart is drawn a moment after its values are there."""
    reader.arrived()
    before = None
    for _ in range(40):
        now = (reader.state(), drawn(reader.page))
        if now == before:
            return
        before = now
        reader.page.wait_for_timeout(100)
    raise AssertionError("the page does not come to rest")


def drawn(page: Page) -> list[str]:
    """The charts as they are painted."""
    page.mouse.move(2, 2)  # a cross-hair is not part of it
    return page.evaluate("[...document.querySelectorAll('canvas')].map((one) => one.toDataURL())")


def drag(page: Page, place, begin: tuple[float, float], end: tuple[float, float]) -> None:
    """With the mouse, from one point of an element to another; in shares of its sides."""
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (begin, end)]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=5)
    page.mouse.up()
