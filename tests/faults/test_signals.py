"""A run that is told to end: in each phase of a step, by a terminal, and by what ends a whole machine's processes."""

import random
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


def send_in(phase, process, run, scored, after):
    """Have the run end by SIGTERM when it has entered a phase of a step, and is so many seconds into learning.

    Whether it waited for the update.
    """
    first = step_of(newest) if (newest := latest_checkpoint(run / "checkpoints")) else 0
    saved = run / f"checkpoints/step-{first + 1:06d}"
    moments = {
        "generating": saved.exists,
        "learning": lambda: scored.exists() and scored.read_text().split().count(str(process.pid)) >= RESPONSES,
        "saving": saved.with_name(f".writing-{saved.name}").exists,
    }
    process.when(moments[phase])
    if phase == "learning":
        time.sleep(after)
    done = len(read_metrics(run / "metrics.jsonl"))
    sent = time.monotonic()
    process.strike(signal.SIGTERM)
    assert process.code() == 143, process.log.read_text()
    assert time.monotonic() - sent < BOUND
    return phase == "learning" and len(read_metrics(run / "metrics.jsonl")) > done


@pytest.mark.fault("F4")
def test_sigterm_while_generating_learning_and_saving_costs_nothing(traced, begin, tmp_path):
    run, log, begun, waited = tmp_path / "run", tmp_path / "log", [traced / "grpo.toml"], 0
    phases = ["generating", "saving", *["learning"] * 6]
    while phases and not (waited and "learning" in phases[:1]):
        phase = phases.pop(0)
        process = begin("train", *begun, "--run", run, log=log)
        waited = send_in(phase, process, run, traced / "scored", after=0.003 * (7 - len(phases)))
        begun = ["--resume"]
        assert log.read_text().endswith(f"groupthink: stopped; go on with: groupthink train --resume --run {run}\n")
        assert not list(run.rglob(".*")) and not process.begun()
        newest = latest_checkpoint(run / "checkpoints")
        assert find_damage(newest) is None
        assert step_of(newest) == len(read_metrics(run / "metrics.jsonl"))
    assert waited  # for an update, which is not torn
    assert begin("train", "--resume", "--run", run, log=log).code() == 0
    assert weights(run) == weights(train(tmp_path / "whole", traced / "grpo.toml").path)


STAGES = {
    "grpo": (),
    "grpo_async": ("stage=grpo_async", "rollout.lag=1"),
    "sft": ("stage=sft", "sft.examples_per_step=2"),
    "distill": ("stage=distill", "distill.teacher={place}/model"),
}


@pytest.mark.fault("F4")
@pytest.mark.parametrize("kind", STAGES)
def test_a_stop_at_any_moment_keeps_every_step_that_is_done(place, begin, tmp_path, kind):
    words = [word.format(place=place) for word in STAGES[kind]]
    words += ["steps=9", "checkpoint_every=4", "evaluate.every=3"]
    run, log, draw = tmp_path / "run", tmp_path / "log", random.Random(kind)
    begun, done = [place / "grpo.toml", *words], []
    while not (run / "summary.json").exists():
        process = begin("train", *begun, "--run", run, log=log)
        some = (done[-1] if done else 0) + draw.randint(2, 4)
        process.when(lambda some=some: len(read_metrics(run / "metrics.jsonl")) >= some)
        time.sleep(draw.random() * 0.2)
        process.strike(draw.choice([signal.SIGTERM, signal.SIGINT]))
        if process.code() == 0:
            break
        newest, recorded = latest_checkpoint(run / "checkpoints"), len(read_metrics(run / "metrics.jsonl"))
        assert find_damage(newest) is None
        if kind == "grpo_async":  # stopped in an evaluation, it goes on from the checkpoint before
            assert step_of(newest) in {recorded, recorded - recorded % 4, max(done, default=0)}, log.read_text()
        else:
            assert step_of(newest) == recorded, log.read_text()
        done.append(step_of(newest))
        begun = ["--resume"]
    assert done, log.read_text()
    whole = train(tmp_path / "whole", place / "grpo.toml", *words).path
    assert weights(run) == weights(whole)
    for folder in ("checkpoints", "evaluations", "rollouts"):
        assert sorted(file.name for file in (run / folder).glob("*")) == sorted(
            file.name for file in (whole / folder).glob("*")
        )


@pytest.mark.fault("F5")
def test_ctrl_c_twice_ends_a_run_and_all_that_it_has_begun(place, begin, tmp_path):
    run, settings = tmp_path / "run", ("rollout.processes=2", "steps=100000")
    process = begin("train", place / "grpo.toml", *settings, "--run", run, log=tmp_path / "log")
    process.when(lambda: len(read_metrics(run / "metrics.jsonl")) > 0)
    assert len(process.begun()) >= 2
    began = time.monotonic()
    for _ in range(2):
        process.strike(signal.SIGINT, group=True)
        time.sleep(0.05)
    assert process.code() == 130, process.log.read_text()
    while process.begun():
        assert time.monotonic() - began < BOUND
        time.sleep(0.02)
    assert process.log.read_text().endswith(f"stopped; go on with: groupthink train --resume --run {run}\n")
