"""A disk that is full, really: of a run, and of what a board of another program keeps."""

import pytest

from groupthink import cli
from groupthink.run.checkpoints import find_damage
from tests.stage.conftest import STEPS, resume, train, weights


def checkpoints(run):
    """Those that are there, all of them whole."""
    found = sorted((run / "checkpoints").iterdir())
    assert [find_damage(path) for path in found] == [None] * len(found)
    return [path.name for path in found]


@pytest.mark.fault("F3")
def test_a_run_whose_disk_fills_up_stops_in_words_and_goes_on_when_there_is_room(
    place, finished, small_disk, tmp_path, capsys
):
    """The first checkpoint is the smallest: the disk gets full within the second, and is too full for the third."""
    disk = tmp_path / "disk"
    disk.mkdir()
    small_disk(disk, 280)
    run = disk / "run"
    assert cli.main(["train", str(place / "grpo.toml"), "--run", str(run)]) == 2
    assert f"no room for a checkpoint in {run}/checkpoints: the disk is full. The last one" in capsys.readouterr().err
    assert checkpoints(run) == ["step-000000"]

    small_disk(disk, 520)
    assert cli.main(["train", "--resume", "--run", str(run)]) == 2
    said = capsys.readouterr().err
    assert "a checkpoint takes 0 MB, 0 MB are free. The last one is intact: make room, then go on with --resume" in said
    assert checkpoints(run) == ["step-000000", "step-000001"]

    small_disk(disk, 4000)
    assert cli.main(["train", "--resume", "--run", str(run)]) == 0
    assert weights(run) == weights(finished.path)


@pytest.mark.fault("F22")
def test_a_board_whose_disk_is_full_is_let_go_and_the_run_goes_on(place, finished, small_disk, tmp_path, capsys):
    pytest.importorskip("tensorboard")
    run = train(tmp_path / "run", place / "grpo.toml", "steps=1").path
    (run / "trackers").mkdir()
    small_disk(run / "trackers", 4)
    resume(run, f"steps={STEPS}", 'trackers=["tensorboard"]')
    said = capsys.readouterr().out
    assert said.count("tensorboard failed") == 1
    assert "No space left on device): the run goes on without it" in said and f"{STEPS}/{STEPS} steps" in said
    assert weights(run) == weights(finished.path)
