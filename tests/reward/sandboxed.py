"""Which tests need bubblewrap, and what of a test may be left on the machine."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

needs_bubblewrap = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="there is no bwrap: apt-get install bubblewrap"
)


def with_words(words: str) -> list[int]:
    """The living processes with these words on their command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if words in entry.read_bytes().decode(errors="replace").replace("\0", " "):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return [number for number in found if number != os.getpid()]


def wait_for(true: Callable[[], object], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it has not come about"
        time.sleep(0.02)
