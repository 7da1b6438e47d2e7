"""The memory of this machine, and what of it a process holds."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

KIB = 1024
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Libraries:
    """What code and its data take in bytes, before a model is there. Code is mapped once for all processes."""

    code: int
    main: int  # data of the process that learns
    worker: int  # data of each process beside it


TYPICAL = Libraries(code=165_000_000, main=300_000_000, worker=255_000_000)
"""Measured with torch 2.13 for CPUs and transformers 5.23 on Linux, for where there is no time to measure."""

AT_FIRST = Libraries(code=112_000_000, main=273_000_000, worker=255_000_000)
"""The same of processes that have imported all and done nothing yet: more of the code is reached later on."""


def grown(code: int, data: int) -> Libraries:
    """What libraries will take, by what they take of a process at first."""
    return Libraries(
        code=round(code * TYPICAL.code / AT_FIRST.code),
        main=data + TYPICAL.main - AT_FIRST.main,
        worker=round(data * AT_FIRST.worker / AT_FIRST.main),
    )


def free_memory(device: str) -> int | None:
    """Bytes that a new process could have on `device` (cpu, cuda or mps) now; None where the system does not say.

    Of a container's or a batch job's limit (cgroups v1 and v2) what is left counts.
    """
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    if device == "mps":
        import torch

        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    rooms = [room for room in (_system_room(), *_cgroup_rooms()) if room is not None]
    return min(rooms, default=None)


def total_memory(device: str) -> int | None:
    """Bytes that a GPU has, used or not; None of another device."""
    if device != "cuda":
        return None
    import torch

    return int(torch.cuda.mem_get_info()[1])


def held_by(process: int | str = "self", proc: Path = PROC) -> dict[str, int] | None:
    """The bytes of a process by the names of Linux's smaps_rollup: Rss, Pss, Anonymous, ...; None where there is none.

    Pss counts a page that n processes share as an nth of it, so that it adds up over them.
    """
    try:
        lines = (proc / str(process) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return None
    fields = (line.split() for line in lines)
    return {words[0].rstrip(":"): int(words[1]) * KIB for words in fields if len(words) == 3}


def _system_room(proc: Path = PROC) -> int | None:
    try:
        for line in (proc / "meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * KIB
    except OSError:
        pass
    if sys.platform == "win32" or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")  # all of it: what others hold can be paged out


def _cgroup_rooms(proc: Path = PROC, cgroups: Path = CGROUPS) -> Iterator[int]:
    """What each limit on this process leaves: its own group's, and those of the groups around it."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            names = ("memory.max", "memory.current", "inactive_file")
            yield from _rooms(cgroups, path, *names)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _rooms(cgroups / "memory", path, *names)


def _rooms(root: Path, path: str, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    folder = root / path.lstrip("/")
    # In a container the path may be the host's, of which only the mount's root is seen.
    for place in {folder, *folder.parents, root}:
        if place != root and root not in place.parents:
            continue
        try:
            most, used = (place / limit).read_text().strip(), int((place / usage).read_text())
            kept = dict(line.split() for line in (place / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        if most != "max":
            yield max(0, int(most) - used + int(kept.get(reclaimable, 0)))
