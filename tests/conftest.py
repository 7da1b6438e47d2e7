"""One thread for every test, so that sums are made in one order; no progress bars; in CI, no test that skips itself."""

import importlib
import os
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.warm import processes_anew, run, warm_processes

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, which comes later
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # what is proved here is exact on a CPU
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture(scope="session", autouse=True)
def _warm() -> Iterator[None]:
    with warm_processes():
        yield


@pytest.fixture
def warm_rehearsal(monkeypatch) -> None:
    """The process that measures a step is forked."""
    module = importlib.import_module("groupthink.insight.plan.measure")  # its package has a function of this name
    forked = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(module, "subprocess", forked)


@pytest.fixture
def anew() -> Iterator[None]:
    """Worker processes of this test begin as they do for users."""
    with processes_anew():
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """Under CI=true everything that tests need is installed: a skip is a failure, lest nobody notice."""
    return _no_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    """A file that skips itself as a whole, likewise."""
    return _no_skip((yield))


def _no_skip(report):
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"a skip under CI=true: {report.longrepr}"
    return report
