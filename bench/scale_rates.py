"""What two processes of this machine do at once: how fast they exchange tensors, and whether they slow each other."""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.queues import Queue
from statistics import median
from tempfile import TemporaryDirectory

import torch
import torch.distributed as dist

from groupthink.model.threads import physical_cores

TIMES = 5
SECONDS = 2.0
PARAMETERS = 100_000_000
"""Numbers that are exchanged, at most."""


@dataclass(frozen=True, slots=True)
class Speeds:
    gathered: float  # bytes a second, each of two has half of: sent to the other
    reduced: float  # likewise, of sums of which each keeps half
    cores: float  # that parts at work at once are worth


def measure_speeds(parameters: int) -> Speeds:
    count = min(parameters, PARAMETERS) // 2 * 2
    with TemporaryDirectory(prefix="groupthink-") as folder:
        alone = median(_several(1, _products, 1))
        together = median(_several(2, _products, 2))
        (gather, reduce), _ = _several(2, _exchange, f"{folder}/store", count)
    sent = 4 * count / 2
    return Speeds(sent / gather, sent / reduce, max(1.0, physical_cores() * min(1.0, together / alone)))


def _several(count: int, do: Callable[..., object], *words: object) -> list:
    """What `do` gives in so many processes at once."""
    context = get_context("spawn")
    found: Queue = context.Queue()
    processes = [context.Process(target=_one, args=(found, do, rank, *words)) for rank in range(count)]
    for process in processes:
        process.start()
    answers = [found.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    return answers


def _one(found: Queue, do: Callable[..., object], *words: object) -> None:
    torch.set_num_threads(1)
    found.put(do(*words))


def _products(rank: int, of: int) -> float:
    """Products a second of the kind that a small model is made of. (Those beside it begin at about the same time.)"""
    left, right = torch.randn(512, 512), torch.randn(512, 1408)
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        (left @ right).exp_()
        count += 1
    return count / SECONDS


def _exchange(rank: int, place: str, count: int) -> tuple[float, float]:
    """Seconds to gather halves of `count` numbers, and to add up `count` of which each keeps half."""
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group(
        "gloo", store=dist.FileStore(place, 2), rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    whole, half = torch.ones(count), torch.ones(count // 2)
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TIMES):
        for spent, do, (out, its) in (
            (times[0], dist.all_gather_into_tensor, (whole, half)),
            (times[1], dist.reduce_scatter_tensor, (half, whole)),
        ):
            dist.barrier()
            start = time.perf_counter()
            do(out, its)
            spent.append(time.perf_counter() - start)
    dist.destroy_process_group()
    return median(times[0]), median(times[1])
