"""`bench/soak.py`: what it does to runs, that it sees what is wrong with them, and that two strikes find nothing."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from groupthink.run.checkpoints import find_damage
from tests.stage.conftest import finished, place  # noqa: F401

BENCH = Path(__file__).parents[1] / "bench"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return __import__("soak")


@pytest.fixture
def strikes(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return __import__("soak_strike")


def test_every_difference_is_seen(soak, finished, tmp_path):  # noqa: F811
    def changed(file: str, change) -> list[str]:
        run = shutil.copytree(finished.path, tmp_path / file.replace("/", "-"))
        change(run / file)
        return soak.differences(run, finished.path)

    def flip(file: Path) -> None:
        held = file.read_bytes()
        file.write_bytes(held[:-1] + bytes([held[-1] ^ 1]))

    assert changed("recipe.toml", lambda file: None) == []
    assert changed("model/model.safetensors", flip) == ["weights"]
    assert changed("metrics.jsonl", lambda file: file.write_text(file.read_text() * 2)) == ["figures"]
    assert changed("evaluations/after.json", flip) == ["evaluations"]
    other = finished.path / "rollouts/step-000000.parquet"
    assert changed("rollouts/step-000001.parquet", lambda file: shutil.copy(other, file)) == ["tokens"]
    assert changed("rollouts/.writing-step-000002.parquet", Path.touch) == ["files"]


def test_a_damaged_checkpoint_is_damaged(strikes, finished, tmp_path):  # noqa: F811
    for seed, kind in enumerate(strikes.DAMAGE * 3):
        run = shutil.copytree(finished.path, tmp_path / f"run-{seed}")
        checkpoint = strikes.damage(kind, run, random.Random(seed))
        assert checkpoint == run / "checkpoints/step-000004" and find_damage(checkpoint)


def test_a_full_disk_ends_what_writes_there_and_is_given_back(strikes, tmp_path):
    writing = "import sys, time\nwhile True:\n    open(sys.argv[1], 'ab', 0).write(bytes(4096))\n    time.sleep(0.001)"
    with strikes.small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("nobody may mount a file system here")
        file = tmp_path / "disk/file"
        with subprocess.Popen([sys.executable, "-c", writing, file], stderr=subprocess.DEVNULL) as process:
            while not file.exists():
                time.sleep(0.01)
            assert strikes.strike(strikes.FULL, process, tmp_path / "disk")
        assert process.returncode == 1 and os.statvfs(tmp_path / "disk").f_bavail


def test_what_outlives_its_parent_is_found_and_ended(strikes):
    sleeping = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    subprocess.run([sys.executable, "-c", sleeping], env=os.environ | {strikes.MARK: "mine"}, check=True)
    assert strikes.orphans("others", grace=0) == 0
    assert strikes.orphans("mine", grace=0) == 1
    assert strikes.orphans("mine", grace=10) == 0


def test_strikes_are_added_to_those_of_another_seed(soak, monkeypatch, tmp_path):
    figures = soak.Found(strikes=["SIGTERM"], finished=["ahead"], lost=[2], failures=["one"]).figures()
    file = tmp_path / "soak.json"
    file.write_text(json.dumps(figures | {"seconds": 1.5, "seeds": [3], "jobs": 1}))
    monkeypatch.setattr(sys, "argv", ["soak.py", "5", "--seed", "4", "--more", "--out", str(file)])
    held = soak.before(soak.read_options())
    now = soak.Found(strikes=["SIGTERM", "SIGINT"], finished=["workers"]).figures() | {"seconds": 2.0, "seeds": [4]}
    both = soak.added(held, now)
    assert both["kills"] == 3 == sum(both["by_kind"].values()) and both["by_kind"]["SIGTERM"] == 2
    assert (both["steps_lost"], both["failures"], both["finished"]) == (2, ["one"], {"ahead": 1, "workers": 1})
    assert (both["seconds"], both["seeds"]) == (3.5, [3, 4])
    monkeypatch.setattr(sys, "argv", ["soak.py", "5", "--seed", "3", "--more", "--out", str(file)])
    with pytest.raises(SystemExit, match="seed 3"):
        soak.before(soak.read_options())


@pytest.mark.timeout(900)
def test_runs_that_are_struck_end_as_if_they_had_not_been(tmp_path):
    # This seed fills the disk in the second step, and kills the group in the last checkpoint.
    words = ["2", "--seed", "8242", "--steps", "3", "--variants", "one process", "--json"]
    command = [sys.executable, BENCH / "soak.py", *words, "--folder", tmp_path, "--out", tmp_path / "soak.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "soak.json").read_text())
    assert found["kills"] == 2 == sum(found["by_kind"].values()) and sum(found["finished"].values()) >= 1
    wrong = ("unusable", "different", "steps_lost", "orphans", "tracebacks")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0), found["failures"]
    assert list(tmp_path.iterdir()) == [tmp_path / "soak.json"]
