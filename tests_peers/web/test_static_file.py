"""A run's pages as one file, opened without a server: `groupthink report RUN --html FILE`."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from groupthink.web.export import export
from tests.web.made import made_run
from tests_peers.web.hostile import NAME as HOSTILE
from tests_peers.web.hostile import hostile_run
from tests_peers.web.places import link, problem_of
from tests_peers.web.test_hostile_text import STRANGE
from tests_peers.web.training import NAME, ROOT
from tests_peers.web.viewing import Visitor, route_of


def exported(run: Path, file: Path) -> str:
    """The address of the file of a run."""
    command = [sys.executable, "-m", "groupthink.cli", "report", run, "--html", file]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return file.as_uri()


@pytest.fixture(scope="module")
def file(browser, finished, tmp_path_factory):
    one = Visitor(browser, exported(finished, tmp_path_factory.mktemp("file") / "run.html"))
    yield one
    one.leave()


def test_it_opens_at_the_run(file):
    page = file.page
    page.goto(file.base)
    file.arrived()
    assert page.url.endswith(f"#/run?run={NAME}")
    assert page.locator("figure.curve").count() >= 6
    expect(page.locator(".file-note")).to_contain_text(NAME)
    assert file.barriers() == []


@pytest.mark.parametrize("name", ["run", "step", "group", "response", "problems", "problem", "notes"])
def test_a_deep_link_opens_what_it_opens_beside_the_run(file, reader, finished, name):
    step, group = 0, 0
    params = {
        "step": {"step": step},
        "group": {"step": step, "group": group},
        "response": {"step": step, "group": group, "response": 0},
        "problem": {"problem": problem_of(finished, step, group)},
    }.get(name, {})
    address = link(name, run=NAME, **params)
    file.to(address)
    file.reload()
    assert file.page.locator("main h1").text_content() == reader.to(address).locator("main h1").text_content()
    assert file.sideways() == []


def test_a_click_leads_from_the_run_to_a_token(file):
    page = file.to(link("run", run=NAME))
    page.get_by_role("link", name="the first step").click()
    file.arrived()
    page.locator(".strip-link").first.click()
    file.arrived()
    page.locator(".five-response a").first.click()
    page.locator(".token").first.click()
    expect(page.locator(".token-chosen")).to_have_count(1)


def test_dots_and_curves_lead_to_what_is_in_it_alone(browser, tmp_path):
    chosen = export(made_run(tmp_path / "r", steps=21), tmp_path / "run.html", most=100_000)  # not enough for all
    kept = [route_of(f"#/{address.removeprefix('/api/')}") for address in chosen.answers]
    steps = sorted(int(params["step"]) for page, params in kept if page == "step")
    groups = {(params["step"], params["group"]) for page, params in kept if page == "group"}
    one = Visitor(browser, (tmp_path / "run.html").as_uri())
    page = one.to(link("run", run="r", tables="reward"))
    assert page.locator(".curve-behind tbody tr").count() == 21 > len(steps) > 3
    assert [int(text) for text in page.locator(".curve-behind button").all_text_contents()] == steps
    for step in ("0", "10", "20"):
        one.to(link("step", run="r", step=step))
        rows = page.locator(".strip-row").all()
        assert [row.locator(".strip-place").count() for row in rows] == [4, 4, 4]
        buttons = [4 if (step, str(group)) in groups else 0 for group in range(3)]
        assert [row.locator(".strip-button").count() for row in rows] == buttons
    params = next(params for page, params in kept if page == "response")
    own = {name: params[name] for name in ("run", "step", "group")}
    for place in range(4):
        one.to(link("response", **params))
        page.get_by_role("button", name=f"response {place},").click()
        one.arrived()
        response = ("response", own | {"response": str(place)})
        assert route_of(page.url) == (response if response in kept else ("group", own | {"at": str(place)}))
    assert not all(("response", own | {"response": str(place)}) in kept for place in range(4))
    one.leave()


def test_it_asks_for_nothing(file):
    assert {asked.partition("#")[0] for asked in file.asked} == {file.base}


@pytest.mark.fault("S4")
def test_hostile_texts_do_nothing_in_it(browser, tmp_path):
    one = Visitor(browser, exported(hostile_run(tmp_path), tmp_path / "hostile.html"))
    one.page.goto(one.base)
    one.arrived()
    for step in range(5):
        one.to(link("step", run=HOSTILE, step=step))
        for link_to in one.page.locator(".strip-link[href]").all()[:3]:
            link_to.click()
            one.page.locator(".five-response a, main .failed").first.wait_for()
            assert strange(one) == []
            for response in one.page.locator(".five-response h3 a[href]").all()[:2]:
                response.click()
                one.page.locator(".response-page, main .failed").first.wait_for()
                assert strange(one) == []
                one.page.go_back()
            one.page.go_back()
            one.arrived()
    one.to(link("problems", run=HOSTILE))
    assert strange(one) == []
    one.leave()


def strange(visitor: Visitor) -> list[str]:
    """What is not the file's own: it has one script, the data and one style."""
    own = visitor.page.evaluate(
        "[...document.querySelectorAll('script, style, meta[http-equiv]')].map((one) => one.outerHTML.slice(0, 200))"
    )
    assert len(own) == 4
    return [one for one in visitor.page.evaluate(STRANGE) if one not in own]
