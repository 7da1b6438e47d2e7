import errno
import os
import signal
import subprocess
import sys
from collections import namedtuple

import pytest

from groupthink.run.checkpoints import drop_spent, find_damage, latest_checkpoint, write_checkpoint

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from groupthink.run import checkpoints, files

place, directory = sys.argv[1], Path(sys.argv[2])
calls = 0

def die_at(name, module, call):
    real = getattr(module, name)
    def killed(*arguments, **keywords):
        global calls
        calls += 1
        if calls > call:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **keywords)
    setattr(module, name, killed)

def write(folder):
    (folder / "weights.bin").write_bytes(b"new" * 1000)
    if place == "between files":
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / "optimizer.bin").write_bytes(b"new" * 1000)

if place == "first sync": die_at("sync", files, 0)
if place == "second sync": die_at("sync", files, 1)
if place == "seal": die_at("_seal", checkpoints, 0)
if place == "rename": die_at("replace", os, 0)
if place == "after rename": die_at("replace", os, 1)
if place == "before dropping": die_at("drop_spent", checkpoints, 0)
checkpoints.write_checkpoint(directory, int(sys.argv[3]), write)
"""


def write_weights(content):
    return lambda folder: (folder / "weights.bin").write_bytes(content)


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def killed_at(place, directory, step):
    command = [sys.executable, "-c", KILLED_WHILE_WRITING, place, str(directory), str(step)]
    child = subprocess.run(command, check=False, capture_output=True, text=True)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.fault("F1")
@pytest.mark.parametrize("place", ["between files", "seal", "first sync", "second sync", "rename"])
def test_killed_while_a_checkpoint_is_written_the_one_before_is_chosen(place, tmp_path):
    before = write_checkpoint(tmp_path, 10, write_weights(b"old"))
    killed_at(place, tmp_path, 20)
    assert latest_checkpoint(tmp_path) == before
    after = write_checkpoint(tmp_path, 20, write_weights(b"again"))  # what was left is no hindrance
    assert latest_checkpoint(tmp_path) == after and names(after) == ["complete.json", "weights.bin"]


def test_killed_after_the_rename_the_new_one_is_chosen(tmp_path):
    for step in (0, 10, 20):
        write_checkpoint(tmp_path, step, write_weights(b"old"))
    killed_at("after rename", tmp_path, 30)  # while the oldest is being dropped
    assert latest_checkpoint(tmp_path) == tmp_path / "step-000030"
    assert find_damage(tmp_path / "step-000030") is None


def test_what_a_killed_process_had_no_time_to_drop_is_dropped(tmp_path):
    drop_spent(tmp_path)
    for step in (0, 10, 20):
        write_checkpoint(tmp_path, step, write_weights(b"old"))
    drop_spent(tmp_path)
    assert names(tmp_path) == ["step-000000", "step-000010", "step-000020"]
    killed_at("before dropping", tmp_path, 30)
    assert names(tmp_path) == ["step-000000", "step-000010", "step-000020", "step-000030"]
    drop_spent(tmp_path, best=10)
    assert len(names(tmp_path)) == 4
    drop_spent(tmp_path)
    assert names(tmp_path) == ["step-000000", "step-000020", "step-000030"]


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


@pytest.mark.fault("F2")
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (flip, "the sha256 of weights.bin differs"),
        (lambda file: os.truncate(file, 3), "weights.bin has 3 bytes in place of 9"),
        (lambda file: file.write_bytes(bytes(9)), "the sha256 of weights.bin differs"),
        (lambda file: file.unlink(), "weights.bin is missing"),
        (lambda file: (file.parent / "complete.json").write_text("{"), "complete.json cannot be read"),
        (lambda file: (file.parent / "complete.json").unlink(), "complete.json cannot be read"),
    ],
)
def test_a_damaged_checkpoint_is_named_and_passed_over(damage, said, tmp_path, caplog):
    before = write_checkpoint(tmp_path, 10, write_weights(b"old"))
    newest = write_checkpoint(tmp_path, 20, write_weights(b"newweight"))
    damage(newest / "weights.bin")
    assert latest_checkpoint(tmp_path) == before
    assert said in caplog.text and "step-000020" in caplog.text


def test_where_all_are_damaged_there_is_none(tmp_path):
    flip(write_checkpoint(tmp_path, 10, write_weights(b"old")) / "weights.bin")
    assert latest_checkpoint(tmp_path) is None


def test_the_first_and_the_last_two_are_kept(tmp_path):
    for step in (0, 10, 20, 30, 40):
        write_checkpoint(tmp_path, step, write_weights(b"x"))
    assert names(tmp_path) == ["step-000000", "step-000030", "step-000040"]


def test_the_best_is_kept_too_until_another_one_is(tmp_path):
    for step in (0, 10, 20, 30, 40, 50):
        write_checkpoint(tmp_path, step, write_weights(b"x"), best=10)
    assert names(tmp_path) == ["step-000000", "step-000010", "step-000040", "step-000050"]
    for step in (60, 70):
        write_checkpoint(tmp_path, step, write_weights(b"x"), best=50)
    assert names(tmp_path) == ["step-000000", "step-000050", "step-000060", "step-000070"]


def test_one_that_passes_serves_until_the_next_is_there(tmp_path):
    for step in (0, 10, 20):
        write_checkpoint(tmp_path, step, write_weights(b"x"))
    passing = write_checkpoint(tmp_path, 27, write_weights(b"x"), passing=True)
    assert latest_checkpoint(tmp_path) == passing and find_damage(passing) is None
    assert names(tmp_path) == ["step-000000", "step-000010", "step-000020", "step-000027"]
    write_checkpoint(tmp_path, 28, write_weights(b"x"), passing=True)
    assert names(tmp_path) == ["step-000000", "step-000010", "step-000020", "step-000028"]
    write_checkpoint(tmp_path, 30, write_weights(b"x"), best=28)
    assert names(tmp_path) == ["step-000000", "step-000020", "step-000028", "step-000030"]
    write_checkpoint(tmp_path, 40, write_weights(b"x"))
    assert names(tmp_path) == ["step-000000", "step-000030", "step-000040"]


def test_a_failed_write_leaves_nothing_and_harms_nothing(tmp_path):
    before = write_checkpoint(tmp_path, 10, write_weights(b"old"))

    def fail(folder):
        (folder / "weights.bin").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="The last one is intact"):
        write_checkpoint(tmp_path, 20, fail)
    assert names(tmp_path) == ["step-000010"] and latest_checkpoint(tmp_path) == before


def test_a_checkpoint_that_cannot_fit_is_not_begun(tmp_path, monkeypatch):
    write_checkpoint(tmp_path, 10, write_weights(b"x" * 1000))
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("usage", "free")(500))
    with pytest.raises(OSError, match="no room for a checkpoint"):
        write_checkpoint(tmp_path, 20, lambda folder: pytest.fail("it was begun"))
    assert names(tmp_path) == ["step-000010"]


def test_folders_inside_a_checkpoint_are_sealed_too(tmp_path):
    def write(folder):
        (folder / "model").mkdir()
        (folder / "model/weights.bin").write_bytes(b"x")

    path = write_checkpoint(tmp_path, 1, write)
    assert find_damage(path) is None
    (path / "model/weights.bin").write_bytes(b"y")
    assert find_damage(path) == "the sha256 of model/weights.bin differs"
