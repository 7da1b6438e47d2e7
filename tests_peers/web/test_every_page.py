"""Every page of a run that has finished: no barrier, nothing too wide for a phone, a table behind every chart."""

import pytest
from playwright.sync_api import expect

from tests_peers.web.places import PAGES, address, link
from tests_peers.web.training import NAME
from tests_peers.web.viewing import HEIGHT, WIDTH, Visitor

STEP = 7
SCHEMES = ("light", "dark")
PHONE = {"width": 360, "height": 740}


@pytest.fixture
def phone(reader):
    """The same visitor with a phone."""
    reader.page.set_viewport_size(PHONE)
    yield reader
    reader.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_barrier(reader, finished, name):
    page = reader.to(address(name, finished, STEP))
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert reader.barriers() == [], scheme


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_it_without_barriers_and_needs_no_scrolling_sideways(phone, finished, name):
    page = phone.to(address(name, finished, STEP))
    assert phone.sideways() == []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        assert phone.barriers() == [], scheme


@pytest.mark.parametrize("name", ["run", "runs, two side by side", "search, a text", "seed"])
def test_a_table_stands_behind_every_chart(reader, finished, name):
    page = reader.to(address(name, finished, STEP))
    charts = page.locator("figure.curve")
    expect(charts.first).to_be_visible()
    for chart in charts.all():
        chart.locator(".curve-table").click()
        expect(chart.get_by_role("row").nth(1)).to_be_visible()
        chart.locator(".curve-table").click()
        expect(chart.locator("canvas")).to_be_visible()


def test_nothing_moves_for_who_asks_for_it(reader, finished):
    reader.page.emulate_media(reduced_motion="reduce")
    for name in PAGES:
        reader.to(address(name, finished, STEP))
        assert reader.page.evaluate("document.getAnimations().filter((one) => one.playState === 'running').length") == 0
    reader.page.emulate_media(reduced_motion="no-preference")


def test_what_is_not_there_is_said(browser, base, finished):
    visitor = Visitor(browser, base)
    page = visitor.page
    page.goto(f"{base}{link('nowhere')}")
    expect(page.locator("main")).to_contain_text("There is no such page")
    for there, said in {
        link("run", run="lerning"): "did you mean 'learning'?",
        link("step", run=NAME, step=999): "no responses of step 999 are kept",
        link("group", run=NAME, step=STEP, group=99): f"step {STEP} has no group 99",
        link("response", run=NAME, step=STEP, group=0, response=99): f"group 0 of step {STEP} has no response 99",
        link("problem", run=NAME, problem="quadratics/none"): "has a problem 'quadratics/none'",
    }.items():
        page.goto(f"{base}{there}")
        expect(page.locator("main .failed")).to_contain_text(said)
    assert all("404" in one for one in visitor.seen)  # what a browser says of an answer that is none
    visitor.close()


def test_the_files_are_asked_for_here_alone(reader, base, finished):
    for name in PAGES:
        reader.to(address(name, finished, STEP))
    assert {asked.split("/")[2] for asked in reader.asked} == {base.split("/")[2]}
