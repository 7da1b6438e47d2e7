import gc
import os
import threading
import time

from groupthink.run import heartbeat
from groupthink.run.lock import LOCK, Lock


def beating() -> int:
    return sum(thread.name == "heartbeat" for thread in threading.enumerate())


def settled(count: int) -> bool:
    """Whether so many hearts beat, after a moment if need be."""
    until = time.monotonic() + 5
    while beating() != count and time.monotonic() < until:
        time.sleep(0.01)
    return beating() == count


def test_a_file_is_touched_until_it_is_over_and_not_made_again(tmp_path):
    file = tmp_path / "file"
    file.write_text("as it is")
    os.utime(file, (1, 1))
    over = heartbeat.begin(file, every=0.02)
    until = time.monotonic() + 5
    while file.stat().st_mtime < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert time.time() - file.stat().st_mtime < 5 and file.read_text() == "as it is"
    assert heartbeat.seconds_since(file) < 5
    file.unlink()
    time.sleep(0.1)
    assert not file.exists() and heartbeat.seconds_since(file) is None
    over.set()
    file.write_text("new")
    os.utime(file, (1, 1))
    time.sleep(0.1)
    assert file.stat().st_mtime == 1 and heartbeat.seconds_since(file, now=11.0) == 10.0


def test_a_lock_beats_while_it_is_held_and_no_longer(tmp_path):
    before = beating()
    lock = Lock(tmp_path)
    assert settled(before + 1) and heartbeat.seconds_since(tmp_path / LOCK) < 5
    lock.release()
    assert settled(before) and not list(tmp_path.iterdir())


def test_the_heart_of_a_lock_that_was_forgotten_stops(tmp_path):
    before = beating()
    lock = Lock(tmp_path)
    assert settled(before + 1)
    del lock
    gc.collect()
    assert settled(before)
