"""Whatever a model writes is text: it is shown as it is, and does nothing."""

import json
from pathlib import Path

import pytest
from playwright.sync_api import Error, expect

from groupthink.chain import read_chain
from groupthink.run.printable import storable
from tests_peers.web.hostile import HIT, NAME, TEXTS, chain_of, every_place, hostile_run, place_of, shown
from tests_peers.web.places import link
from tests_peers.web.viewing import Visitor, viewed

STRANGE = """() => {
    const never = [
        "script:not([src='app.js'])", "style", "link:not([rel='icon'], [rel='stylesheet'])",
        "link[href*=':']:not([href^='data:image/svg'])",
        "meta[http-equiv]", "base", "img", "image", "iframe", "object", "embed", "video", "audio", "math", "marquee",
        "template", "slot", "foreignObject", "animate", "use", "form[action]", "[style*='url']",
    ].join();
    const own = /^(#\\/|\\/api\\/notes\\.jsonl\\?|#main)/;
    const found = [...document.querySelectorAll(never)].map((one) => one.outerHTML);
    for (const one of document.querySelectorAll("*"))
        for (const { name, value } of one.attributes)
            if (/^on/i.test(name)) found.push(`${one.tagName} ${name}=${value}`);
    for (const one of document.querySelectorAll("a")) {
        const place = one.getAttribute("href") ?? one.getAttribute("xlink:href");
        if (place !== null && !own.test(place)) found.push(one.outerHTML);
    }
    if (window.__hit !== undefined || {}.polluted !== undefined) found.push("it was run");
    return found.map((one) => one.slice(0, 200));
}"""
"""What no page of ours holds: elements and attributes that could do something, and links that lead elsewhere."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return hostile_run(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def visitor(browser, run, tmp_path_factory):
    with viewed(run.parent, tmp_path_factory.mktemp("cache")) as address:
        one = Visitor(browser, f"{address}/")
        yield one
        one.leave()


def unharmed(visitor: Visitor) -> None:
    """Nothing of the kind is there, and nothing has happened."""
    assert visitor.page.evaluate(STRANGE) == []
    assert visitor.seen == []


@pytest.mark.fault("S4")
def test_each_is_shown_as_it_is_in_its_raw_text(visitor):
    for number in range(len(TEXTS)):
        step, group, response = place_of(number)
        page = visitor.to(link("response", run=NAME, step=step, group=group, response=response, view="raw"))
        wanted = shown(chain_of(number)).replace("\n", "↵\n")
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
        unharmed(visitor)
        page = visitor.to(link("response", **where, view="chain"))
        assert beginning(number) in page.locator(".chain").text_content(), number
        unharmed(visitor)


def test_the_groups_show_them_side_by_side(visitor):
    for step, group in every_place():
        page = visitor.to(link("group", run=NAME, step=step, group=group, whole=1))
        for response in range(4):
            number = (step * 3 + group) * 4 + response
            column = page.locator(f".five-response[data-response='{response}']")
            assert beginning(number) in column.text_content(), (step, group, response)
        unharmed(visitor)


def test_the_other_pages_hold_them_too(visitor):
    addresses = [link("runs"), link("runs", **{"with": NAME}), link("run", run=NAME), link("problems", run=NAME)]
    addresses += [link("step", run=NAME, step=step, points=1, metrics=1) for step in range(5)]
    addresses += [link("search", run=NAME, preset=preset) for preset in ("longest", "rewarded-wrong", "repetition")]
    for address in addresses:
        visitor.to(address)
        unharmed(visitor)
    for step, group in every_place():
        problem = storable(TEXTS[(step * 3 + group) * 4][:2000])
        visitor.to(link("problem", run=NAME, problem=problem, open=f"{step}.{group}", view="joined"))
        unharmed(visitor)


def test_they_are_found_by_a_search_for_them(visitor):
    for text in TEXTS:
        line = max(shown(text).split("\\")[0].split("\n"), key=len)[:80]
        if not line.strip():
            continue
        page = visitor.to(link("search", run=NAME, text=line, case=1))
        expect(page.locator(".hit mark").first).to_have_text(line)
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
    lines = [json.loads(line) for line in exported.removesuffix("\n").split("\n")]
    assert len(lines) == 20 and HIT in exported


def test_a_question_that_is_one(visitor):
    page = visitor.to(link("chat", run=NAME, q=f"<img src=x onerror={HIT}>"))
    expect(page.get_by_label("question", exact=True)).to_have_value(f"<img src=x onerror={HIT}>")
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


def beginning(number: int) -> str:
    """What every page shows of a response: the beginning of its reasoning, or of its answer."""
    chain = read_chain(storable(chain_of(number)))
    return shown((chain.reasoning or chain.answer or "").strip("\n")).split("\n")[0][:200]


@pytest.mark.fault("S4")
def test_as_markup_they_would_be_noticed(browser):
    noticed = 0
    with browser.new_context() as context:
        for text in TEXTS[:-1]:
            page, markup = context.new_page(), text.encode(errors="replace").decode()
            try:
                page.evaluate("(markup) => (document.body.innerHTML = markup)", markup)
                page.evaluate("() => new Promise((done) => setTimeout(done, 10))")
                noticed += bool(page.evaluate(STRANGE))
            except Error:  # it has led the page away
                noticed += 1
            page.close()
    assert noticed > 35
