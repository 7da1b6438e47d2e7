"""A run that is told to end: in each phase of a step, by a terminal, and by what ends a whole machine's processes."""

import shutil
import signal
import time
from pathlib import Path

import pytest

from groupthink.run.checkpoints import find_damage, latest_checkpoint, step_of
from groupthink.run.metrics import read_metrics
from tests.stage.conftest import GRPO, train, weights

pytestmark = [
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are counted in /proc"),
    pytest.mark.timeout(600),
]

STEPS = 14
RESPONSES = 6  # of a step
BOUND = 30  # seconds, on a busy machine
REWARDS = """\
import os


def letters(problem, response):
    with open({scored!r}, "a") as file:
        file.write(f"{{os.getpid()}}\\n")
    return sum(map(str.isalpha, response.text)) / len(response)
"""
"""A reward that leaves a trace: generation is over, learning begins."""


@pytest.fixture(scope="module")
def traced(place, tmp_path_factory):
    """A folder with a recipe whose reward notes each call in `scored`."""
    folder = tmp_path_factory.mktemp("traced")
    shutil.copytree(place / "model", folder / "model")
    (folder / "rewards.py").write_text(REWARDS.format(scored=str(folder / "scored")))
    recipe = GRPO.format(place=folder.as_posix()).replace("steps = 4", f"steps = {STEPS}")
    (folder / "grpo.toml").write_text(recipe)
    return folder


def sent_in(phase, fork, run, scored):
    """Have the run end by SIGTERM when it enters a phase of a step; the phase in which it really was."""
    first = step_of(newest) if (newest := latest_checkpoint(run / "checkpoints")) else 0

    def count():
        return scored.read_text().split().count(str(fork.pid)) if scored.exists() else 0

    saved = run / f"checkpoints/step-{first + 1:06d}"
    moments = {
        "generating": saved.exists,
        "learning": lambda: count() >= RESPONSES,
        "saving": saved.with_name(f".writing-{saved.name}").exists,
    }
    fork.when(moments[phase])
    sent = time.monotonic()
    fork.strike(signal.SIGTERM)
    assert fork.code() == 143, fork.log.read_text()
    assert time.monotonic() - sent < BOUND
    done, judged = len(read_metrics(run / "metrics.jsonl")), first + count() / RESPONSES
    if judged != done:
        return "learning" if judged == done + 1 else "scoring"
    return "generating" if (run / f"checkpoints/step-{done:06d}").exists() else "saving"


@pytest.mark.fault("F4")
def test_sigterm_while_generating_learning_and_saving_costs_nothing(traced, forks, tmp_path):
    run, log, begun, met = tmp_path / "run", tmp_path / "log", [traced / "grpo.toml"], []
    for phase in ("generating", "learning", "saving"):
        while phase not in met[-1:]:
            fork = forks.begin("train", *begun, "--run", run, log=log)
            met.append(sent_in(phase, fork, run, traced / "scored"))
            begun = ["--resume"]
            assert log.read_text().endswith(f"groupthink: stopped; go on with: groupthink train --resume --run {run}\n")
            assert not list(run.rglob(".*")) and not fork.begun()
            newest = latest_checkpoint(run / "checkpoints")
            assert find_damage(newest) is None
            assert step_of(newest) >= len(read_metrics(run / "metrics.jsonl")) - 1
    assert forks.begin("train", "--resume", "--run", run, log=log).code() == 0
    assert weights(run) == weights(train(tmp_path / "whole", traced / "grpo.toml").path)


@pytest.mark.fault("F5")
def test_ctrl_c_twice_ends_a_run_and_all_that_it_has_begun(place, forks, tmp_path):
    run, settings = tmp_path / "run", ("rollout.processes=2", "steps=100000")
    fork = forks.begin("train", place / "grpo.toml", *settings, "--run", run, log=tmp_path / "log")
    fork.when(lambda: len(read_metrics(run / "metrics.jsonl")) > 0)
    assert len(fork.begun()) >= 2
    began = time.monotonic()
    for _ in range(2):
        fork.strike(signal.SIGINT, group=True)
        time.sleep(0.05)
    assert fork.code() == 130, fork.log.read_text()
    while fork.begun():
        assert time.monotonic() - began < BOUND
        time.sleep(0.02)
    assert fork.log.read_text().endswith(f"stopped; go on with: groupthink train --resume --run {run}\n")
