"""A browser, a run at work and one that has finished, and the pages of both."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests_peers.web.training import Training
from tests_peers.web.viewing import PATIENCE, Visitor, viewed

expect.set_options(timeout=PATIENCE)
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the run at work comes before what needs it finished."""
    items.sort(key=lambda item: "at_work" not in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's own Chromium."""
    place = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if place is None:
        why = "there is no chromium: apt-get install chromium, or name one by CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=place, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(autouse=True)
def counted(browser: Browser, count: Counter[str]) -> None:
    count[f"Chromium {browser.version}"] += 1


@pytest.fixture(scope="session")
def training(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    """A run that goes on as a test lets it. Its reward's name, which has the folder's, is wider than a phone."""
    one = Training(tmp_path_factory.mktemp("a-place-with-a-name-that-is-long"))
    yield one
    one.end()


@pytest.fixture(scope="session")
def base(training: Training) -> Iterator[str]:
    """The address of the pages of that run, from its first moment to its end."""
    with viewed(training.run.parent, training.folder) as address:
        yield f"{address}/"


@pytest.fixture
def at_work(training: Training) -> Training:
    """The run, some steps of it done and others to come."""
    if training.done < 4:
        training.go_on(4 - training.done)
    assert training.process.poll() is None, "this test needs the run at work, so it must come first"
    return training


@pytest.fixture(scope="session")
def finished(training: Training, base: str) -> Path:
    """The same run when all is done."""
    training.finish()
    return training.run


@pytest.fixture
def visitor(browser: Browser, base: str) -> Iterator[Visitor]:
    """In front of the pages. Nothing may happen there that must not."""
    one = Visitor(browser, base)
    try:
        yield one
    except BaseException:
        one.close()
        raise
    one.leave()


@pytest.fixture(scope="module")
def reader(browser: Browser, base: str, finished: Path) -> Iterator[Visitor]:
    """One visitor of a run that has finished, for all tests of a file."""
    one = Visitor(browser, base)
    yield one
    one.leave()
