"""How `soak.py` strikes a run: at what moment, and by what."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KILL, KILL_GROUP = "SIGKILL", "SIGKILL to the group"
TERMINATE, INTERRUPT = "SIGTERM", "SIGINT"
FULL, FLIPPED, TRUNCATED = "disk full", "flipped byte", "truncated file"
KINDS = (KILL, KILL_GROUP, TERMINATE, INTERRUPT, FULL, FLIPPED, TRUNCATED)
ASKED = (TERMINATE, INTERRUPT)
"""To end: it has the time to write a checkpoint."""

DAMAGE = (FLIPPED, TRUNCATED)
"""Of the newest checkpoint, once the process has been killed."""

ASIDE = ".writing-"
PATIENCE = 300.0
"""Seconds in which a process that was told to end, or whose disk is full, has ended."""

DISK = "192m"
MARK = "GROUPTHINK_SOAK"
"""The variable by which the processes of a run are known, whoever their parent is."""


@dataclass(frozen=True, slots=True)
class Moment:
    """So many seconds after a file of the run was begun or was there; without a file, after the process was begun."""

    file: str | None
    whole: bool
    seconds: float

    def has_come(self, run: Path) -> bool:
        """Whether its file is there."""
        if self.file is None or (run / self.file).exists():
            return True
        place = run / self.file
        return not self.whole and place.with_name(ASIDE + place.name).exists()


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the undisturbed run took."""

    start: float  # seconds until its directory was there
    between: float  # seconds from one of its files to the next


def files_of(steps: int, every: int) -> Iterator[str]:
    """Files and folders of a run, in the order in which they come to be."""
    yield from ("recipe.toml", "checkpoints/step-000000", "evaluations/before.json")
    for step in range(steps):
        yield f"rollouts/step-{step:06d}.parquet"
        if (step + 1) % every == 0 or step + 1 == steps:
            yield f"checkpoints/step-{step + 1:06d}"
    yield from ("evaluations/after.json", "model", "summary.json")


def draw_moment(draw: random.Random, run: Path, files: list[str], pace: Pace) -> Moment:
    """While the process begins, or at one of the first half of the files that are not there yet."""
    coming = [file for file in files if not (run / file).exists()]
    if not coming or draw.random() < 0.15:
        return Moment(None, whole=True, seconds=draw.uniform(0, pace.start))
    file = draw.choice(coming[: max(1, len(coming) // 2)])
    return Moment(file, draw.random() < 0.5, draw.choice([0.0, draw.uniform(0, 2 * pace.between)]))


def wait_for(moment: Moment, run: Path, process: subprocess.Popen[bytes]) -> bool:
    """Whether the process is still there when the moment comes."""
    while process.poll() is None and not moment.has_come(run):
        time.sleep(0.001)
    end = time.monotonic() + moment.seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.001)
    return process.poll() is None


def strike(kind: str, process: subprocess.Popen[bytes], disk: Path) -> bool:
    """Strike the process, and wait for its end; whether it came. One that hangs is killed."""
    match kind:
        case _ if kind == KILL_GROUP:
            os.killpg(process.pid, signal.SIGKILL)
        case _ if kind == TERMINATE:
            process.terminate()
        case _ if kind == INTERRUPT:  # as a terminal does it
            os.killpg(process.pid, signal.SIGINT)
        case _ if kind == FULL:
            return filled(process, disk)
        case _:
            process.kill()
    return ended(process)


def ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ends in time."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


def filled(process: subprocess.Popen[bytes], disk: Path) -> bool:
    """Whether the process ends while a ballast file takes all that is free of its disk, which is given back then."""
    ballast, end = disk / "ballast", time.monotonic() + PATIENCE
    with ballast.open("wb", buffering=0) as file:
        while process.poll() is None and time.monotonic() < end:
            fill(file.fileno(), disk)
            time.sleep(0.002)
    ballast.unlink()
    return process.poll() is not None or not (process.kill() or process.wait())


def fill(file: int, disk: Path) -> None:
    """Write until nothing is free."""
    try:
        while free := os.statvfs(disk).f_bavail:
            os.write(file, bytes(min(free * os.statvfs(disk).f_frsize, 1 << 20)))
    except OSError:  # the process was quicker
        return


def damage(kind: str, run: Path, draw: random.Random) -> Path | None:
    """Flip a byte in a file of the newest checkpoint, or cut the file; which checkpoint, None where there is none."""
    newest = max((run / "checkpoints").glob("step-*"), default=None)
    if newest is None:
        return None
    file = draw.choice(sorted(path for path in newest.rglob("*") if path.is_file() and path.stat().st_size))
    held = bytearray(file.read_bytes())
    place = draw.randrange(len(held))
    if kind == FLIPPED:
        held[place] ^= 1 << draw.randrange(8)
    else:
        del held[place:]
    file.write_bytes(held)
    return newest


@contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A file system of its own at `place`; False where this machine lets nobody mount one."""
    place.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)


def processes_of(mark: str) -> list[int]:
    """The processes that bear the mark and are no zombies."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except OSError:  # it has ended meanwhile, or is another user's
            continue
    return found


def orphans(mark: str, grace: float) -> int:
    """How many are left of a run whose process has ended, after so many seconds; they are killed."""
    end = time.monotonic() + grace
    while (left := processes_of(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    for process in left:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return len(left)
