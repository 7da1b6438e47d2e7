"""A run that was killed, wherever, and resumed ends as one that was never stopped: bit for bit."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from groupthink import cli
from groupthink.run.directory import Run
from groupthink.run.lock import LOCK
from groupthink.run.metrics import read_metrics
from tests.processes import children, living
from tests.stage.conftest import STEPS, resume, train, weights
from tests.warm import Warm, code, module

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
PATIENCE = 300  # seconds
CLI = (module, "groupthink.cli")
DYING = """\
import os, signal, sys
from groupthink import cli
from groupthink.run import files

fatal, sync = sys.argv.pop(1), files.sync

def sync_or_die(path):
    if fatal in path.as_posix():
        os.kill(os.getpid(), signal.SIGKILL)
    sync(path)

files.sync = sync_or_die
sys.exit(cli.main())
"""
"""The command line that is killed when the file named by its first word is to be brought to the disk."""


def begin_or_resume(run: Path, recipe: Path, *settings: str, python: tuple = CLI) -> Warm:
    """What a user would do: begin the run, or go on with it where it was begun."""
    begun = any((run / name).exists() for name in ("recipe.toml", "pipeline.toml"))
    words = ("--resume",) if begun else (recipe, *settings)
    return Warm(*python, "train", *words, "--run", run, merged=True)


def die_at(file: str, run: Path, recipe: Path) -> None:
    """Begin or resume the run, and be killed when `file` is written."""
    process = begin_or_resume(run, recipe, python=(code, DYING, file))
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == -signal.SIGKILL, said


def kill_when(process: Warm, moment) -> bool:
    """Kill the process when `moment()` has come; False where it ended before."""
    end = time.monotonic() + PATIENCE
    while process.poll() is None and not moment():
        assert time.monotonic() < end, "the run hangs"
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    said = process.communicate()[0]
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


def random_draw() -> random.Random:
    """Other draws each time; SEED in the environment brings a failure back."""
    seed = int(os.environ.get("SEED", random.randrange(2**32)))
    print(f"SEED={seed}")
    return random.Random(seed)


def after(seconds: float):
    """The moment so many seconds from the first time it is asked."""
    start = []

    def moment() -> bool:
        start or start.append(time.monotonic())
        return time.monotonic() - start[0] >= seconds

    return moment


def finish(run: Path, recipe: Path, *settings: str) -> None:
    process = begin_or_resume(run, recipe, *settings)
    said = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, said


def timeless(run: Path) -> list[dict]:
    lines = read_metrics(run / "metrics.jsonl")
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in lines]


def assert_same(run: Path, other: Path) -> None:
    """The same weights and metrics, and the same files: nothing half-written, nothing twice."""
    assert weights(run) == weights(other)
    assert timeless(run) == timeless(other)
    assert [line["step"] for line in timeless(run)] == list(range(STEPS))
    files = [{file.relative_to(one).as_posix() for file in one.rglob("*")} for one in (run, other)]
    # A run that is killed when all is written, and before it lets go of its lock, leaves the lock's file behind.
    assert files[0] - {LOCK} == files[1] - {LOCK}
    for name in ("before", "after"):
        found = [(one / f"evaluations/{name}.json").read_bytes() for one in (run, other)]
        assert found[0] == found[1]


@pytest.mark.fault("F1", "F6", "F12")
@pytest.mark.timeout(3 * PATIENCE)
def test_killed_before_the_first_step_inside_a_checkpoint_and_in_the_last_evaluation(finished, place, tmp_path):
    run, recipe = tmp_path / "run", place / "grpo.toml"

    die_at("checkpoints/.writing-step-000000/", run, recipe)
    assert not read_metrics(run / "metrics.jsonl")

    die_at("checkpoints/.writing-step-000002/", run, recipe)
    assert (run / "checkpoints/.writing-step-000002").exists()
    assert [line["step"] for line in timeless(run)] == [0, 1]

    die_at("evaluations/.writing-after.", run, recipe)
    assert len(timeless(run)) == STEPS and not (run / "evaluations/after.json").exists()

    finish(run, recipe)
    assert_same(run, finished.path)


@pytest.mark.slow
@pytest.mark.timeout(30 * PATIENCE)
@pytest.mark.parametrize("processes", [1, 2])
def test_killed_at_ten_random_moments(place, tmp_path, processes):
    draw = random_draw()
    run, whole, recipe = tmp_path / "run", tmp_path / "whole", place / "grpo.toml"
    settings = (f"rollout.processes={processes}", f"policy.processes={processes}")
    began = time.monotonic()
    finish(whole, recipe, *settings)
    duration = time.monotonic() - began
    kills = 0
    while kills < 10:
        step = draw.randint(0, STEPS)
        moment = draw.choice(
            [
                after(draw.uniform(0, duration)),
                (run / f"checkpoints/.writing-step-{step:06d}").exists,
                (run / f"rollouts/step-{step:06d}.parquet").exists,
                (run / f"checkpoints/step-{step:06d}").exists,
                (run / "evaluations").exists,
            ]
        )
        if not (run / "summary.json").exists() and kill_when(begin_or_resume(run, recipe, *settings), moment):
            kills += 1
        else:
            # It was quicker than the moment. Begin anew, so that each kill meets a run that is under way.
            assert_same(run, whole)
            shutil.rmtree(run)
    if not (run / "summary.json").exists():
        finish(run, recipe, *settings)
    assert_same(run, whole)


@pytest.mark.fault("F5", "F6")
@pytest.mark.timeout(3 * PATIENCE)
def test_a_run_of_two_processes_killed_in_a_random_step(place, tmp_path):
    step = random_draw().randrange(STEPS - 1)
    recipe, settings = place / "grpo.toml", ("rollout.processes=2", "policy.processes=2")
    run, whole = tmp_path / "run", tmp_path / "whole"
    process = begin_or_resume(run, recipe, *settings)
    written, workers = (run / f"rollouts/step-{step:06d}.parquet").exists, []

    def moment() -> bool:
        workers[:] = children(process.pid) if (come := written()) else ()
        return come

    assert kill_when(process, moment) and len(workers) >= 2
    killed = time.monotonic()
    while living(workers):
        assert time.monotonic() - killed < 30, "they outlive who began them"
        time.sleep(0.05)
    finish(run, recipe)
    train(whole, recipe, *settings)
    assert_same(run, whole)


def test_a_finished_run_says_so_and_may_be_extended(finished, place, tmp_path, capsys):
    """The recipe's learning rate does not depend on the number of steps, so 2 steps and 2 more are 4."""
    run = train(tmp_path / "run", place / "grpo.toml", "steps=2").path
    assert cli.main(["train", "--resume", "--run", str(run)]) == 2
    assert "has finished its 2 steps: extend it with steps=" in capsys.readouterr().err
    assert cli.main(["train", "--resume", "--run", str(run), "steps=1"]) == 2
    before = weights(run)

    resume(run, f"steps={STEPS}")
    assert weights(run) != before
    assert_same(run, finished.path)


@pytest.mark.fault("F9")
def test_a_resumed_run_keeps_what_its_steps_are(finished, tmp_path, capsys):
    run = shutil.copytree(finished.path, tmp_path / "run")
    assert cli.main(["train", "--resume", "--run", str(run), "steps=9", "objective.kl=0.5"]) == 2
    assert "objective.kl: 0.05 -> 0.5" in capsys.readouterr().err
    assert (run / "summary.json").exists()


@pytest.mark.fault("F10")
def test_what_is_no_run_is_not_resumed_and_what_is_one_is_not_begun_again(finished, place, tmp_path, capsys):
    assert cli.main(["train", "--resume", "--run", str(tmp_path)]) == 2
    assert f"there is no run in {tmp_path}" in capsys.readouterr().err
    before = weights(finished.path)
    assert cli.main(["train", str(place / "grpo.toml"), "--run", str(finished.path)]) == 2
    assert "is there already: go on with it by --resume" in capsys.readouterr().err
    assert weights(finished.path) == before


def test_a_run_goes_on_when_the_model_that_it_began_with_is_gone(finished, place, tmp_path):
    model = shutil.copytree(place / "model", tmp_path / "model")
    run = train(tmp_path / "run", place / "grpo.toml", "steps=2", f"model={model}").path
    shutil.rmtree(model)
    resume(run, f"steps={STEPS}")
    assert weights(run) == weights(finished.path)


def test_a_damaged_first_checkpoint_is_no_reference(finished, tmp_path, capsys):
    run = shutil.copytree(finished.path, tmp_path / "run")
    first = run / "checkpoints/step-000000/model.safetensors"
    whole = first.read_bytes()
    first.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit
    assert cli.main(["train", "--resume", "--run", str(run), f"steps={STEPS + 1}"]) == 2
    assert "step-000000" in (said := capsys.readouterr().err) and "is damaged" in said


def damage(checkpoint: Path) -> None:
    file = checkpoint / "config.json"
    file.write_bytes(file.read_bytes()[:-1])


def test_a_run_whose_only_checkpoint_is_damaged_begins_anew(finished, place, tmp_path, caplog):
    """It has learned nothing yet that could be lost."""
    run = tmp_path / "run"
    die_at("evaluations/.writing-before.", run, place / "grpo.toml")
    damage(run / "checkpoints/step-000000")
    resume(run)
    assert "is damaged" in caplog.text
    assert_same(run, finished.path)


def test_a_run_all_of_whose_checkpoints_are_damaged_keeps_what_it_has(finished, tmp_path, capsys):
    run = shutil.copytree(finished.path, tmp_path / "run")
    (run / "summary.json").unlink()
    for checkpoint in (run / "checkpoints").iterdir():
        damage(checkpoint)
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    assert cli.main(["train", "--resume", "--run", str(run)]) == 2
    assert "no checkpoint of the run" in capsys.readouterr().err
    assert {file: file.read_bytes() for file in run.rglob("*") if file.is_file()} == before


def test_what_says_that_an_evaluation_is_there_goes_first(finished, tmp_path, monkeypatch):
    """Killed between the two, a run must not find half of its last evaluation."""
    run = shutil.copytree(finished.path, tmp_path / "run")
    gone, unlink = [], Path.unlink
    monkeypatch.setattr(Path, "unlink", lambda path, **words: (gone.append(path.name), unlink(path, **words)))
    Run.resume(run, [f"steps={STEPS + 1}"]).close()
    assert gone.index("after.json") < gone.index("after.parquet")


@pytest.mark.fault("F2")
def test_a_damaged_checkpoint_is_passed_over(finished, tmp_path, caplog):
    run = shutil.copytree(finished.path, tmp_path / "run")
    (run / "summary.json").unlink()
    shutil.rmtree(run / "model")
    newest = run / f"checkpoints/step-{STEPS:06d}/model.safetensors"
    whole = newest.read_bytes()
    newest.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # one bit
    resume(run)
    assert "is damaged" in caplog.text
    assert_same(run, finished.path)
