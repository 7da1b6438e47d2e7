"""A run that is killed leaves nothing in the folder for temporary files."""

import signal
import sys
import time
from pathlib import Path

import pytest

from tests.stage.conftest import finished, place  # noqa: F401 (fixtures)

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere files that are mapped have names"),
    pytest.mark.timeout(600),
]


@pytest.mark.fault("F5")
@pytest.mark.parametrize(
    "words",
    [
        ("rollout.processes=2", "policy.processes=1"),
        ("rollout.processes=1", "policy.processes=2"),
        ("stage=grpo_async", "rollout.lag=1", "rollout.processes=1", "policy.processes=1"),
    ],
    ids=["drawing", "learning", "ahead"],
)
def test_killed_while_its_workers_map_a_file_it_leaves_none(words, place, begin, tmp_path):  # noqa: F811
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    begun = "train", place / "grpo.toml", *words, "--run", tmp_path / "run"
    process = begin(*begun, log=tmp_path / "log", temporary=temporary)
    seen = []

    def mapped():
        seen.extend(
            line for line in Path(f"/proc/{process.pid}/maps").read_text().split("\n") if str(temporary) in line
        )
        return seen

    process.when(mapped)  # its workers are still importing
    process.strike(signal.SIGKILL, group=True)
    assert process.code() == -signal.SIGKILL and seen, process.log.read_text()
    end = time.monotonic() + 30
    while process.begun():
        assert time.monotonic() < end
        time.sleep(0.02)
    assert not list(temporary.rglob("*"))
