"""A run while it learns: every page of it is there, and follows it."""

import re

import pytest
from playwright.sync_api import expect

from tests_peers.web.places import PAGES, address, link
from tests_peers.web.training import NAME
from tests_peers.web.viewing import PATIENCE, Visitor, viewed

RUN = link("run", run=NAME)


def steps_shown(visitor, count, of):
    """The run's page says that so many steps are done, without being asked anew."""
    told = visitor.page.locator("dl.figures div").filter(has=visitor.page.get_by_text("steps", exact=True))
    expect(told).to_contain_text(f"{count} / {of}", timeout=PATIENCE)


def test_the_list_of_runs_says_that_it_is_at_work(at_work, visitor):
    page = visitor.to("#/runs")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=NAME, exact=True))
    expect(row).to_contain_text("running")
    done = at_work.go_on()
    expect(row).to_contain_text(f"{done} / {at_work.steps}", timeout=PATIENCE)


def test_its_page_follows_it(at_work, visitor):
    page = visitor.to(RUN)
    expect(page.locator("main")).to_contain_text("running")
    for _ in range(2):
        done = at_work.go_on()
        steps_shown(visitor, done, at_work.steps)
    chart = page.locator("figure.curve").first
    chart.get_by_role("button", name=re.compile("table")).click()
    expect(chart.get_by_role("row")).to_have_count(1 + done)
    done = at_work.go_on()
    expect(chart.get_by_role("row")).to_have_count(1 + done, timeout=PATIENCE)


def test_the_newest_step_gets_a_way_to_the_next(at_work, visitor):
    newest = at_work.done - 1
    page = visitor.to(link("step", run=NAME, step=newest))
    way = page.get_by_role("navigation", name="other steps").get_by_role("link", name="next step")
    expect(way).to_have_count(0)
    at_work.go_on()
    expect(way).to_be_visible(timeout=PATIENCE)
    way.click()
    visitor.arrived()
    assert page.url.endswith(f"step={newest + 1}")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_there_while_it_learns(at_work, visitor, name):
    at_work.go_on(wait=False)
    page = visitor.to(address(name, at_work.run, 2))
    expect(page.locator("main h1")).not_to_be_empty()
    assert at_work.process.poll() is None


def test_where_events_fail_it_asks_by_itself(at_work, browser, base):
    visitor = Visitor(browser, base)
    visitor.context.route("**/api/live*", lambda route: route.fulfill(status=503, body="no"))
    visitor.to(RUN)
    done = at_work.go_on()
    steps_shown(visitor, done, at_work.steps)
    assert any("/api/poll" in asked for asked in visitor.asked)
    assert not [one for one in visitor.seen if "503" not in one]
    visitor.close()


def test_after_a_cut_it_is_told_what_it_missed(at_work, browser, base):
    visitor = Visitor(browser, base)
    visitor.to(RUN)
    steps_shown(visitor, at_work.done, at_work.steps)
    visitor.context.set_offline(True)
    done = at_work.go_on(2)
    visitor.page.wait_for_timeout(1500)
    visitor.context.set_offline(False)
    steps_shown(visitor, done, at_work.steps)
    assert not [one for one in visitor.seen if "ERR_INTERNET_DISCONNECTED" not in one]
    visitor.close()


def test_another_server_in_its_place_goes_on_telling(at_work, browser, tmp_path):
    with viewed(at_work.run.parent, tmp_path) as address:
        visitor = Visitor(browser, f"{address}/")
        visitor.to(RUN)
        steps_shown(visitor, at_work.done, at_work.steps)
    done = at_work.go_on(2)
    with viewed(at_work.run.parent, tmp_path, int(address.rpartition(":")[2])):
        steps_shown(visitor, done, at_work.steps)
        done = at_work.go_on()
        steps_shown(visitor, done, at_work.steps)
        assert not [one for one in visitor.seen if "ERR_" not in one]
        visitor.close()


def test_an_open_page_sees_its_end(at_work, visitor):
    page = visitor.to(RUN)
    at_work.finish()
    expect(page.locator(".status-finished")).to_be_visible(timeout=PATIENCE)
    steps_shown(visitor, at_work.steps, at_work.steps)
    expect(page.locator("main")).to_contain_text("after")
