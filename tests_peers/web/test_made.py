"""Pages of runs that no training makes: with odd names, long responses, many problems, and more news than answers."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.made import begin_run, made_run, row, write_step
from tests_peers.web.places import link
from tests_peers.web.test_static_file import exported
from tests_peers.web.viewing import HEIGHT, PATIENCE, WIDTH, Visitor, route_of, viewed

COMMA, AGAIN, EIGHT, FINE = "a,b", "again", "eight", "fine"
BUSY = """
const [real, Live] = [window.fetch, window.EventSource];
window.flying = window.most = window.answered = 0;
window.fetch = async (url, options) => {
    if (!String(url).startsWith("/api/run?")) return real(url, options);
    window.most = Math.max(window.most, (window.flying += 1));
    try {
        await new Promise((done) => setTimeout(done, 1500));
        options.signal.throwIfAborted();
        const answer = await real(url, options);
        window.answered += 1;
        return answer;
    } finally {
        window.flying -= 1;
    }
};
window.EventSource = class extends EventTarget {
    constructor() {
        super();
        let step = 1000;
        const tell = () => this.dispatchEvent(new MessageEvent("step", {
            data: JSON.stringify({ run: "a,b", step: (step += 1) }), lastEventId: String(step),
        }));
        this.timer = setInterval(tell, 300);
    }
    close() { clearInterval(this.timer); }
};
"""
"""Answers take longer than it is from one event to the next."""


def write_fine(run: Path) -> None:
    """A step of rewards, advantages and changes that three digits do not do justice to."""
    rewards = [0.984375, 0.984375, 0.953125, 0.2]
    mean = sum(rewards) / len(rewards)
    rows = []
    for place, reward in enumerate(rewards):
        text = f"<think>2*3=6</think>x={place}"
        moved = [0.00123456 * (place - 2) + 0.000007] * len(text)
        more = {"advantage": reward - mean, "change": moved, "learner_logprobs": [-0.031616 - place] * len(text)}
        rows.append(row(place, text, reward, (reward - 0.2) / 0.6, **more))
    write_step(run, 0, rows)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "runs"
    made_run(folder / COMMA, steps=20)
    made_run(folder / EIGHT, steps=2, groups=2, size=8)
    write_fine(begin_run(folder / FINE))
    again = begin_run(folder / AGAIN)
    for step in range(3):
        texts = [f"<think>{'2*3=6 ' * 60}</think>x={step}", "x=1"]
        write_step(again, step, [row(place, text, 1.0 - place) for place, text in enumerate(texts)])
    return folder


@pytest.fixture(scope="module")
def address(runs) -> Iterator[str]:
    with viewed(runs, runs.parent) as found:
        yield f"{found}/"


@pytest.fixture
def visitor(browser: Browser, address: str) -> Iterator[Visitor]:
    one = Visitor(browser, address)
    try:
        yield one
    except BaseException:
        one.close()
        raise
    one.leave()


def test_a_run_whose_name_has_a_comma_stands_beside_another(visitor):
    page = visitor.to("#/runs")
    for name in (COMMA, AGAIN):
        page.get_by_role("checkbox", name=f"{name} side by side").check()
    headlines = page.get_by_role("table", name="Headline figures").get_by_role("link")
    expect(headlines).to_have_text([COMMA, AGAIN])
    expect(page).to_have_url(re.compile("with=a%252Cb,again"))
    visitor.reload()
    expect(headlines).to_have_text([COMMA, AGAIN])


def test_responses_out_of_sight_are_told_of_and_led_to(visitor):
    page = visitor.to(link("group", run=EIGHT, step=0, group=0))
    index = page.get_by_role("navigation", name="the group's responses")
    hidden = index.locator(".five-out")
    expect(index).to_contain_text(re.compile(r"8 responses, best first, [12] out of sight"))
    expect(page.locator(".five-right")).to_have_count(1)  # a shadow lies on what follows
    wanted = hidden.last
    response = wanted.get_attribute("aria-label").removeprefix("to response ")
    wanted.click()
    expect(index.get_by_role("button", name=f"to response {response}", exact=True)).to_have_class("choice")
    expect(page.locator(".five-left")).to_have_count(1)
    page.set_viewport_size({"width": 360, "height": 740})
    expect(hidden).to_have_count(0)
    index.get_by_role("button").last.click()
    expect(page.locator(".five-response").last).to_be_in_viewport()
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    visitor.to(link("group", run=COMMA, step=0, group=0))
    expect(index).to_contain_text("4 responses, best first:")
    expect(page.locator(".five-left, .five-right")).to_have_count(0)


def test_what_is_written_out_adds_up_as_it_is_shown(visitor):
    page = visitor.to(link("group", run=FINE, step=0, group=0))
    sums = page.locator(".five-average .sum, .five-advantage .sum").all_inner_texts()
    assert len(sums) == 1 + 4 and all("=" in one for one in sums)
    for column in page.locator(".five-response").all():
        change = column.locator(".five-change .bar-tip").inner_text().lstrip("▲▼· ")
        before, after = re.findall(r"[−\d.]+(?= →|\n)", column.locator(".five-change p").last.inner_text() + "\n")[:2]
        sums.append(f"{after} - {before} = {change}")
    page = visitor.to("#/seed")
    sums += page.locator("p.seed-sum, .seed-bar .seed-sum").all_inner_texts()
    rows = [row.locator("th, td").all_inner_texts() for row in page.locator(".seed-step").last.get_by_role("row").all()]
    sums += [f"{after} - {before} = {change.lstrip('▲▼ ')}" for _, _, before, after, change in rows[1:]]
    assert len(sums) == 5 + 4 + 4 + 3
    for one in sums:
        assert adds_up(one), one


def adds_up(equation: str) -> bool:
    """Whether who computes with the figures of the left side comes to the right one, rounded."""
    left, right = equation.replace("−", "-").replace("×", "*").rsplit(" = ", 1)
    assert re.fullmatch(r"[-+*/(). 0-9]+", left), equation
    unit = 10.0 ** -len(right.partition(".")[2])
    return abs(eval(left.replace("- -", "+ ")) - float(right)) <= unit / 2 + 1e-12


def test_a_table_of_tokens_opens_at_the_token(visitor):
    where = {"run": AGAIN, "step": 0, "group": 0, "response": 0}
    page = visitor.to(link("response", **where, view="table", token=250))
    expect(page.locator(".row-chosen")).to_have_count(1)
    expect(page.get_by_text("tokens 200 to")).to_be_visible()
    page.get_by_role("button", name="before").click()
    expect(page.get_by_text("tokens 0 to 199")).to_be_visible()
    expect(page).to_have_url(re.compile("from=0"))
    visitor.reload()
    expect(page.get_by_text("tokens 0 to 199")).to_be_visible()


def test_a_table_stands_behind_the_charts_of_a_problem(visitor):
    page = visitor.to(link("problem", run=AGAIN, problem="quadratics/1"))
    charts = page.locator("figure.curve")
    expect(charts.first).to_be_visible()
    assert charts.count() >= 2  # the rate and the tokens
    for chart in charts.all():
        chart.locator(".curve-table").click()
        expect(chart.get_by_role("row")).to_have_count(1 + 3)
    expect(page).to_have_url(re.compile("tables=right,tokens"))
    visitor.reload()
    expect(charts.first.get_by_role("row")).to_have_count(1 + 3)
    assert page.locator("figure.curve canvas").count() == 0
    charts.first.locator(".curve-table").click()
    expect(charts.first.locator("canvas")).to_be_visible()


def test_the_pages_of_problems_lead_on_and_back_in_a_file_too(browser, runs, address, tmp_path):
    for base in (address, exported(runs / COMMA, tmp_path / "run.html")):
        one = Visitor(browser, base)
        page = one.to(link("problems", run=COMMA))
        for name, number in (("next", 2), ("previous", 1)):
            page.get_by_role("link", name=name).click()
            expect(page.get_by_text(f"page {number} of 2")).to_be_visible()
            expect(page.locator("main .failed")).to_have_count(0)
        one.leave()


def test_a_files_links_lead_to_what_is_in_it(browser, runs, tmp_path):
    one = Visitor(browser, exported(runs / COMMA, tmp_path / "run.html"))
    found, without = set(), 0
    for place in (link("run", run=COMMA), link("step", run=COMMA, step=7), link("group", run=COMMA, step=7, group=1)):
        main = one.to(place).locator("main")
        found |= set(main.evaluate("(main) => [...main.querySelectorAll('a[href]')].map((one) => one.hash)"))
        without += main.locator("a:not([href])").count()
    some = {place.partition("?")[0]: place for place in sorted(found)}  # one of each page
    for place in [*some.values(), *sorted(place for place in found if "#/response?" in place)]:
        one.to(place)  # where it says that nothing failed
    assert without > 0 and any("#/response?" in place for place in found)
    page = one.to(link("notes", run=COMMA))
    expect(page.locator("main")).to_contain_text("No notes had been made")
    expect(page.locator(".file-note")).to_contain_text("a dotted line")
    one.leave()


def test_a_stretch_of_the_steps_is_marked_without_a_mouse(visitor):
    page = visitor.to(link("run", run=COMMA, zoom="a-b"))  # which is none
    begin, end = page.get_by_label("steps", exact=True), page.get_by_label("to", exact=True)
    expect(begin).to_have_value("0")
    expect(page.get_by_role("button", name="all steps")).to_have_count(0)
    begin.fill("5")
    begin.press("Tab")
    expect(end).to_be_focused()
    end.fill("9")
    end.press("Enter")
    expect(page).to_have_url(re.compile("zoom=5-9"))
    chart = page.locator("figure.curve").first
    chart.get_by_role("button", name=re.compile("table")).click()
    expect(chart.get_by_role("row")).to_have_count(1 + 5)
    expect(page).to_have_url(re.compile("tables="))
    visitor.reload()
    expect(chart.get_by_role("row")).to_have_count(1 + 5)
    expect(begin).to_have_value("5")
    page.get_by_role("button", name="all steps").press("Enter")
    expect(chart.get_by_role("row")).to_have_count(1 + 20)


def test_whoever_searches_stays_in_the_field(visitor):
    page = visitor.to(link("search", run=COMMA))
    field = page.locator("#search-for")
    for text in ("wait", "check"):
        field.fill(text)
        field.press("Enter")
        expect(page).to_have_url(re.compile(f"text={text}"))
        visitor.arrived()
        expect(field).to_be_focused()
    page.go_back()
    expect(field).to_have_value("wait")
    page.get_by_role("button", name="longest").click()
    expect(page.get_by_role("button", name="longest")).to_be_focused()
    expect(field).to_have_value("")


def test_how_many_hits_are_shown_is_in_the_address(visitor):
    page = visitor.to(link("search", run=COMMA, regex="(?s).", limit=1000))
    hits = page.locator("li.hit")
    expect(hits).to_have_count(200)
    page.get_by_role("button", name="more hit").click()
    expect(hits).to_have_count(240)
    expect(page).to_have_url(re.compile("many=400"))
    visitor.reload()
    expect(hits).to_have_count(240)


@pytest.mark.parametrize("page, of", [("run", {}), ("step", {"step": 19})])
def test_what_a_page_has_just_read_it_does_not_ask_for_again(visitor, page, of):
    visitor.to(link(page, run=COMMA, **of))
    visitor.page.wait_for_timeout(2500)  # it is told how the run stands within one
    assert any("/api/live" in asked for asked in visitor.asked)
    assert len([asked for asked in visitor.asked if f"/api/{page}?" in asked]) == 1


def test_a_page_with_more_news_than_answers_goes_on_showing_them(visitor):
    visitor.context.add_init_script(BUSY)
    page = visitor.to(link("run", run=COMMA))
    until = time.monotonic() + PATIENCE / 1000
    while page.evaluate("window.answered") < 3:
        assert time.monotonic() < until
        page.wait_for_timeout(200)
    assert page.evaluate("window.most") == 1
    assert route_of(page.url) == ("run", {"run": COMMA})
