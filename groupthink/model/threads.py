"""How the cores of a processor are used: by threads, or by processes of one thread each."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import PreTrainedModel

SMALL = 50_000_000
"""Parameters; below this a matrix product is too short to be worth sharing between threads."""


def is_small(model: PreTrainedModel) -> bool:
    """Whether a processor computes it faster in several processes than with several threads."""
    return model.device.type == "cpu" and model.num_parameters() < SMALL


MOST = 8
"""Processes of one run: a step of a small model has no work for more."""


def find_processes(model: PreTrainedModel) -> int:
    """How many processes may be worth having side by side, one for a core where the model is small."""
    return min(MOST, physical_cores()) if is_small(model) else 1


@contextmanager
def using_threads(count: int) -> Iterator[None]:
    """`count` threads for torch's operations inside, what it was afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def physical_cores() -> int:
    """The cores that this process may use; two hardware threads of one core count once where Linux says so.

    A container's quota of processor time (cgroup v2) counts as so many cores.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    return int(min(len({_siblings(cpu) for cpu in os.sched_getaffinity(0)}), _quota()))


def _quota(path: Path = Path("/sys/fs/cgroup/cpu.max")) -> float:
    """Cores' worth of time, at least 1; infinite where nothing limits it."""
    try:
        quota, period = path.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no cgroup, or "max"
        return math.inf


def _siblings(cpu: int) -> str:
    place = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return place.read_text()
    except OSError:
        return str(cpu)
