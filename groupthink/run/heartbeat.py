"""The heartbeat of a run at work: the time at which its lock's file was last touched.

Whoever reads a run from outside sees by it whether anybody is still there, on another machine that shares the folder,
too, where the lock itself cannot be asked.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

EVERY = 5.0
"""Seconds between two beats: a reader that has waited for several of them in vain may call a run stalled."""


def begin(file: Path, every: float = EVERY) -> threading.Event:
    """Touch `file` now and again, in a thread that ends with this process, until the event that is returned is set.

    A file that has gone is not made again. Nothing is read of it and nothing written into it.
    """
    over = threading.Event()
    threading.Thread(target=_beat, args=(file, every, over), name="heartbeat", daemon=True).start()
    return over


def seconds_since(file: Path, now: float | None = None) -> float | None:
    """How long ago the last beat was; None where there is no file."""
    with suppress(OSError):
        return max(0.0, (time.time() if now is None else now) - file.stat().st_mtime)
    return None


def _beat(file: Path, every: float, over: threading.Event) -> None:
    while not over.wait(every):
        with suppress(OSError):  # it is gone, or the disk is away for a moment: a run does not end for that
            os.utime(file)
