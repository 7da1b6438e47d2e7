"""Trackers, against the programs themselves, on this machine alone."""

import importlib.util
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from groupthink.recipe import load_recipe
from groupthink.run import trackers
from groupthink.run.directory import Run
from groupthink.run.terminal import PlainView
from groupthink.run.trackers import OPENERS, identity, require_trackers, tracked

FIGURES = {"pass@1": 0.5, "greedy": None, "unjudged": {"why": 1}, "traits": {"checking": {}}, "problems": 3}
FOLLOW = """
import sys
from pathlib import Path
from groupthink.run.directory import Run
from tests.run.test_trackers import follow
with Run.create(Path(sys.argv[2]), __import__("groupthink.recipe").recipe.load_recipe()) as run:
    print(follow(run, sys.argv[1], range(2)))
"""


class Seen(PlainView):
    """What a person would see."""

    def __init__(self):
        self.text = io.StringIO()
        super().__init__(self.text)

    def evaluated(self, name, figures):
        self.note(f"evaluated {name}")

    def stepped(self, metrics):
        self.note(f"step {metrics['step']}")


def follow(run, name, steps):
    """What a stage tells its view of some steps and the evaluations around them; gives what a person saw."""
    run.recipe = load_recipe(overrides=["steps=4", f'trackers=["{name}"]'])
    seen = Seen()
    with tracked(run, seen) as view:
        view.evaluated("before", FIGURES)
        for step in steps:
            view.stepped({"step": step, "reward": (step + 1) / 4, "kl": 0.0})
        view.evaluated("step-000002", FIGURES)
        view.closed()
    return seen.text.getvalue()


SAW = "evaluated before\nstep 0\nstep 1\nevaluated step-000002\n"


@pytest.fixture
def run(tmp_path):
    with Run.create(tmp_path / "first run", load_recipe()) as run:
        yield run


def elsewhere(name, folder, **environment):
    """Likewise, in a process of its own, as these programs leave threads and settings behind."""
    pytest.importorskip(name)
    command = [sys.executable, "-c", FOLLOW, name, str(folder / "first run")]
    found = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr
    assert SAW in found.stdout, found.stdout
    return folder / "first run" / "trackers"


@pytest.mark.skipif(importlib.util.find_spec("tensorboard") is None, reason="tensorboard is not installed")
def test_tensorboard_reads_every_figure_and_nothing_twice_after_a_resume(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert follow(run, "tensorboard", range(3)) == SAW.replace("evaluated step", "step 2\nevaluated step")
    run._first_step = 2  # as where it is resumed from a checkpoint at 2
    run.event("resumed", step=2)
    follow(run, "tensorboard", range(2, 4))
    board = EventAccumulator(str(run.path / "trackers" / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("reward")] == [(1, 0.25), (2, 0.5), (3, 0.75), (4, 1)]
    assert board.Scalars("evaluate/pass_at_1")[0].step == 0
    assert "step" not in board.Tags()["scalars"]


def test_weights_and_biases_keeps_every_figure(tmp_path):
    place = elsewhere("wandb", tmp_path, WANDB_MODE="offline", WANDB_SILENT="true")
    [log] = place.glob("wandb/offline-run-*/run-*.wandb")
    said = log.read_bytes()
    assert b"evaluate/pass_at_1" in said and b"reward" in said and b"policy.learning_rate" in said


def test_trackio_keeps_every_figure(tmp_path):
    elsewhere("trackio", tmp_path, TRACKIO_DIR=str(tmp_path / "board"), TRACKIO_PROJECT="ours")
    read = (
        "from trackio import Api, SQLiteStorage\n"
        "[run] = Api().runs('ours')\n"
        "rows = SQLiteStorage.get_logs('ours', run.name)\n"
        "print([(row['step'], row['reward']) for row in rows if 'reward' in row])"
    )
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "board")}
    found = subprocess.run([sys.executable, "-c", read], env=environment, capture_output=True, text=True, timeout=100)
    assert "[(1, 0.25), (2, 0.5)]" in found.stdout, found.stdout + found.stderr


class Broken:
    """A tracker that opens and then fails."""

    def __init__(self, run):
        self.asked = 0

    def log(self, step, figures):
        self.asked += 1
        raise ConnectionError("no route")

    def close(self):
        raise AssertionError("it has failed already")


def test_a_tracker_that_fails_is_said_to_once_and_the_run_goes_on(run, monkeypatch):
    monkeypatch.setitem(OPENERS, "wandb", Broken)
    failed = "wandb failed (ConnectionError: no route): the run goes on without it\n"
    assert follow(run, "wandb", range(2)) == SAW.replace("before\n", f"before\n{failed}")


def test_one_that_cannot_be_opened_neither(run, monkeypatch):
    def refused(run):
        raise RuntimeError("api key not configured")

    monkeypatch.setitem(OPENERS, "wandb", refused)
    assert follow(run, "wandb", range(2)) == (
        "wandb failed (RuntimeError: api key not configured): the run goes on without it\n" + SAW
    )


def test_a_resumed_run_is_the_same_one_to_its_trackers(tmp_path):
    with Run.create(tmp_path / "one", load_recipe()) as run:
        first = identity(run)
    with Run.resume(tmp_path / "one") as run:
        assert identity(run) == first
    with Run.create(tmp_path / "two", load_recipe()) as run:
        assert identity(run) != first


def test_what_is_not_there_is_refused_before_anything_begins(monkeypatch):
    with pytest.raises(ValueError, match="no tracker is called 'wanb': did you mean wandb"):
        load_recipe(overrides=['trackers=["wanb"]'])
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"wandb is not installed: pip install 'groupthink\[wandb\]'"):
        require_trackers(load_recipe(overrides=['trackers=["wandb"]']))


def test_without_trackers_there_is_no_folder_and_the_view_is_the_view(run):
    view = Seen()
    with tracked(run, view) as told:
        assert told is view
    assert not Path(run.path / "trackers").exists()
