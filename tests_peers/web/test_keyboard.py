"""The pages by keyboard alone."""

import re

from playwright.sync_api import expect

from tests_peers.web.places import link
from tests_peers.web.training import NAME
from tests_peers.web.viewing import route_of

STEP = 7
FOCUSED = """() => {
    const one = document.activeElement;
    if (!one || one === document.body) return null;
    const box = one.getBoundingClientRect();
    const style = getComputedStyle(one);
    const ringed = [one, ...one.querySelectorAll("*")].some((each) => {
        const look = getComputedStyle(each);
        return (look.outlineStyle !== "none" && parseFloat(look.outlineWidth) > 0) || look.boxShadow !== "none"
            || (each instanceof SVGElement && look.stroke !== "none");
    });
    return {
        name: `${one.tagName} ${one.getAttribute("class") ?? ""} ${(one.textContent ?? "").slice(0, 40)}`,
        visible: one.matches(":focus-visible"),
        ringed,
        inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
        big: box.width > 0 && box.height > 0,
    };
}"""


def test_a_group_is_read_without_a_mouse(reader, finished):
    page, press = reader.to(link("step", run=NAME, step=STEP)), reader.page.keyboard.press
    press("j")
    press("j")
    expect(page.locator(".strip-link").nth(1)).to_be_focused()
    press("k")
    expect(page.locator(".strip-link").nth(0)).to_be_focused()
    press("Enter")
    reader.arrived()
    assert route_of(page.url) == ("group", {"run": NAME, "step": str(STEP), "group": "0"})
    chosen = page.locator(".five-chosen")
    order = [one.get_attribute("data-response") for one in page.locator(".five-response").all()]
    for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
        press(key)
        expect(chosen).to_have_attribute("data-response", order[place])
    expect(chosen).to_be_in_viewport()
    press("w")
    expect(page.get_by_role("checkbox", name=re.compile("whole chains"))).to_be_checked()
    press("]")
    reader.arrived()
    assert route_of(page.url)[1]["group"] == "1"
    press("[")
    reader.arrived()
    press(".")
    reader.arrived()
    assert route_of(page.url)[1] == {"run": NAME, "step": str(STEP + 1), "group": "0", "whole": "1"}
    press(",")
    reader.arrived()
    press("j")
    press("Enter")
    reader.arrived()
    assert route_of(page.url)[0] == "response" and route_of(page.url)[1]["response"] == order[0]
    press("j")
    reader.arrived()
    assert route_of(page.url)[1]["response"] == order[1]
    press("[")  # the first group has none before it
    assert route_of(page.url)[0] == "response"
    press("]")
    reader.arrived()
    assert route_of(page.url)[0] == "group" and route_of(page.url)[1]["group"] == "1"


def test_help_and_search_by_a_key(reader, finished):
    page, press = reader.to(link("group", run=NAME, step=STEP, group=0)), reader.page.keyboard.press
    press("?")
    help = page.get_by_role("dialog")
    expect(help).to_be_visible()
    press("j")  # nothing beneath it moves
    assert "at" not in route_of(page.url)[1]
    press("Escape")
    expect(help).to_be_hidden()
    press("/")
    reader.arrived()
    assert route_of(page.url)[0] == "search"
    press("/")
    expect(page.locator("#search-for")).to_be_focused()
    page.keyboard.type("j/?x")  # keys are letters in a field
    expect(page.locator("#search-for")).to_have_value("j/?x")
    press("Enter")
    expect(page.locator(".search-state")).to_contain_text("response")


def test_a_token_is_found_by_arrows(reader, finished):
    page, press = reader.to(link("response", run=NAME, step=STEP, group=0, response=0)), reader.page.keyboard.press
    page.locator(".token-field").focus()
    for key, token in (("ArrowRight", 0), ("ArrowRight", 1), ("ArrowDown", 11), ("Home", 0)):
        press(key)
        expect(page.locator(".token-chosen")).to_have_attribute("data-i", str(token))
    assert route_of(page.url)[1]["token"] == "0"
    press("Escape")
    expect(page.locator(".token-chosen")).to_have_count(0)


def test_a_curve_is_read_by_arrows(reader, finished):
    page, press = reader.to(link("run", run=NAME)), reader.page.keyboard.press
    chart = page.get_by_role("slider", name=re.compile(r"^Reward\."))
    chart.focus()
    press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    for _ in range(STEP):
        press("ArrowRight")
    expect(chart).to_have_attribute("aria-valuetext", re.compile(rf"^step {STEP}: reward"))
    press("Enter")
    reader.arrived()
    assert route_of(page.url) == ("step", {"run": NAME, "step": str(STEP)})


def test_tab_goes_through_all_of_a_group_and_on(reader, finished):
    reader.to(link("group", run=NAME, step=STEP, group=0))
    page = reader.reload()  # from the top
    seen: list[str] = []
    for _ in range(150):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        assert focused["visible"] and focused["ringed"] and focused["inside"] and focused["big"], focused
        seen.append(focused["name"])
    else:
        raise AssertionError(f"it does not come to an end: {seen}")
    for part in ("To the content", "groupthink", "response 0", "response 3", "next group", "INPUT"):
        assert any(part in name for name in seen), (part, seen)


def test_the_first_link_leads_to_the_content(reader, finished):
    reader.to(link("group", run=NAME, step=STEP, group=1))
    page = reader.reload()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    assert "#/group?" in page.url
