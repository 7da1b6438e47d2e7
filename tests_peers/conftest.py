"""Comparisons with other libraries are counted, and none at all is a failure.

`make test-peers` runs these in the peer's own environment; the ordinary test run leaves them alone.
"""

import os
from collections import Counter
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # read when torch is imported, which comes later
os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

COMPARED = pytest.StashKey[Counter[str]]()


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Counter[str]:
    """Cases compared so far, by the peer's name and version."""
    return request.config.stash.setdefault(COMPARED, Counter())


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of pytest-xdist has counted counts here."""
    total = node.config.stash.setdefault(COMPARED, Counter())
    total.update(getattr(node, "workeroutput", {}).get("compared", {}))


def pytest_sessionfinish(session: pytest.Session) -> None:
    if hasattr(session.config, "workeroutput"):  # a worker of pytest-xdist, which need not have compared anything
        session.config.workeroutput["compared"] = dict(session.config.stash.get(COMPARED, {}))
        return
    if not session.config.stash.get(COMPARED, None) and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for peer, count in (config.stash.get(COMPARED, None) or Counter({"a peer": 0})).items():
        terminalreporter.write_line(f"compared {count} cases with {peer}")
