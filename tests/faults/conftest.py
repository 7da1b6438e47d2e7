"""What breaks runs for good: a disk of a few kilobytes, and processes of the command line that may be struck."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.struck import Struck
from tests.stage.conftest import finished, place  # noqa: F401 (fixtures)


@pytest.fixture
def begin() -> Iterator[Callable[..., Struck]]:
    """`begin(*words, log=FILE)` is `Struck` with these words. What is left of it is killed when the test is over."""
    begun: list[Struck] = []

    def begin_one(*words: object, **where: Path) -> Struck:
        begun.append(Struck(*words, **where))
        return begun[-1]

    yield begin_one
    for one in begun:
        one.end()


@pytest.fixture
def small_disk() -> Iterator[Callable[[Path, int], None]]:
    """`small_disk(folder, kilobytes)` makes the folder a file system of that size, or changes its size."""
    mounted: list[Path] = []

    def of_size(folder: Path, kilobytes: int) -> None:
        options = f"size={kilobytes}k" + (",remount" if folder in mounted else "")
        if shutil.which("mount") is None:
            pytest.skip("there is no mount here")
        asked = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(asked, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"no file system may be mounted here ({done.stderr.strip()})")
        if folder not in mounted:
            mounted.append(folder)

    with _unmounted(mounted):
        yield of_size


@contextmanager
def _unmounted(folders: list[Path]) -> Iterator[None]:
    try:
        yield
    finally:
        for folder in folders:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
