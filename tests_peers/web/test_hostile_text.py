"""Whatever a model writes is text: it is shown as it is, and does nothing."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests_peers.web.hostile import HIT, NAME, TEXTS, every_place, hostile_run, place_of, shown
from tests_peers.web.places import link
from tests_peers.web.viewing import Visitor, viewed

STRANGE = """() => {
    const never = [
        "script:not([src='app.js'])", "style", "link:not([rel='icon'], [rel='stylesheet'])", "link[href*=':']",
        "meta[http-equiv]", "base", "img", "image", "iframe", "object", "embed", "video", "audio", "math", "marquee",
        "template", "slot", "foreignObject", "animate", "use", "form[action]", "[style*='url']",
    ].join();
    const own = /^(#\\/|\\/api\\/notes\\.jsonl\\?|#main)/;
    const found = [...document.querySelectorAll(never)].map((one) => one.outerHTML);
    for (const one of document.querySelectorAll("*"))
        for (const { name, value } of one.attributes)
            if (/^on/i.test(name)) found.push(`${one.tagName} ${name}=${value}`);
    for (const one of document.querySelectorAll("a"))
        if (!own.test(one.getAttribute("href"))) found.push(one.outerHTML);
    if (window.__hit !== undefined || {}.polluted !== undefined) found.push("it was run");
    return found.map((one) => one.slice(0, 200));
}"""
"""What no page of ours holds: elements and attributes that could do something, and links that lead elsewhere."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return hostile_run(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def visitor(browser, run):
    with viewed(run.parent, run.parent / "..") as address:
        one = Visitor(browser, f"{address}/")
        yield one
        one.leave()


def unharmed(visitor: Visitor) -> None:
    """Nothing of the kind is there, and nothing has happened."""
    assert visitor.page.evaluate(STRANGE) == []
    assert visitor.seen == []


def test_each_is_shown_as_it_is_in_its_raw_text(visitor):
    for number, text in enumerate(TEXTS):
        step, group, response = place_of(number)
        page = visitor.to(link("response", run=NAME, step=step, group=group, response=response, view="raw"))
        chain = f"<think>{text}</think>{text}" if number % 2 and "think>" not in text else text
        wanted = shown(chain).replace("\n", "↵\n")
        found = page.locator(".raw-text").text_content()
        assert found == wanted[: len(found)] and len(found) >= min(len(wanted), 60_000), number
        unharmed(visitor)


def test_each_is_shown_as_a_token_and_as_a_chain(visitor):
    for number, text in enumerate(TEXTS):
        step, group, response = place_of(number)
        where = {"run": NAME, "step": step, "group": group, "response": response}
        page = visitor.to(link("response", **where))
        token = page.locator(".token-field .token").first
        assert token.text_content() == shown(text[:2000]), number
        token.click(position={"x": 2, "y": 4})
        unharmed(visitor)
        page = visitor.to(link("response", **where, view="chain"))
        assert beginning(text) in page.locator(".chain").text_content(), number
        unharmed(visitor)


def test_the_groups_show_them_side_by_side(visitor):
    for step, group in every_place():
        page = visitor.to(link("group", run=NAME, step=step, group=group, whole=1))
        for response in range(4):
            text = TEXTS[(step * 3 + group) * 4 + response]
            column = page.locator(f".five-response[data-response='{response}']")
            assert beginning(text) in column.text_content(), (step, group, response)
        unharmed(visitor)


def test_the_other_pages_hold_them_too(visitor):
    addresses = [link("runs"), link("runs", **{"with": NAME}), link("run", run=NAME), link("problems", run=NAME)]
    addresses += [link("step", run=NAME, step=step, points=1, metrics=1) for step in range(5)]
    addresses += [link("search", run=NAME, preset=preset) for preset in ("longest", "rewarded-wrong", "repetition")]
    for address in addresses:
        visitor.to(address)
        unharmed(visitor)
    for step, group in every_place():
        problem = TEXTS[(step * 3 + group) * 4][:2000]
        visitor.to(link("problem", run=NAME, problem=problem_name(problem), open=f"{step}.{group}", view="joined"))
        unharmed(visitor)


def test_they_are_found_by_a_search_for_them(visitor):
    for number, text in enumerate(TEXTS):
        line = max(shown(text).split("\\")[0].split("\n"), key=len)[:80]
        if not line.strip():
            continue
        page = visitor.to(link("search", run=NAME, text=line, case=1))
        expect(page.locator(".search-state")).to_contain_text("response")
        assert page.locator(".hit mark").first.text_content() == line, number
        unharmed(visitor)


def test_notes_that_are_such_texts(visitor):
    for number in range(0, len(TEXTS) - 1, 3):
        step, group, response = place_of(number)
        page = visitor.to(link("notes", run=NAME, step=step, group=group, response=response))
        before = page.locator("tbody tr").count()
        page.get_by_label("label", exact=True).fill(TEXTS[number].encode(errors="replace").decode()[:60])
        page.get_by_label("note", exact=True).fill(TEXTS[number].encode(errors="replace").decode()[:300])
        page.get_by_role("button", name="Keep").click()
        expect(page.locator("tbody tr")).to_have_count(before + 1)
        unharmed(visitor)
    exported = visitor.page.request.get(visitor.page.locator("a[download]").evaluate("(one) => one.href")).text()
    lines = [json.loads(line) for line in exported.splitlines()]
    assert len(lines) == 20 and HIT in exported


def test_a_question_that_is_one(visitor):
    page = visitor.to(link("chat", run=NAME, q=f"<img src=x onerror={HIT}>"))
    expect(page.get_by_label("question")).to_have_value(f"<img src=x onerror={HIT}>")
    unharmed(visitor)


def test_addresses_that_are_such_texts(visitor, browser):
    apart = Visitor(browser, visitor.base)
    for text in (TEXTS[0], TEXTS[8], TEXTS[24], TEXTS[49], TEXTS[52], TEXTS[58], "../../etc/passwd", "%", "%00"):
        for name in ("run", "step", "group", "response", "problem", "search", "chat", "notes", text):
            apart.page.goto(
                apart.base + link(name, run=text, step=text, group=text, response=text, problem=text, q=text)
            )
            expect(apart.page.locator("main h1")).to_be_visible()
            assert apart.page.evaluate(STRANGE) == []
    assert not [one for one in apart.seen if "Failed to load resource" not in one]
    apart.close()


def beginning(text: str) -> str:
    """As much of a text as every page shows of it, on its first line."""
    return shown(text.split("</think>")[0].replace("<think>", "").strip()).split("\n")[0].strip()[:200]


def problem_name(text: str) -> str:
    """As it is stored."""
    return text.encode("utf-8", "backslashreplace").decode()
