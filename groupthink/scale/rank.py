"""One of the learners: a process that meets the others, and does with them what the driver asks of all."""

import os
import socket
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from groupthink.model.allocator import keep_freed_memory
from groupthink.model.origin import Origin
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Batch, Report
from groupthink.scale.direct import open_agent
from groupthink.scale.ranks import Whereabouts
from groupthink.scale.sharded_learner import ShardedLearner
from groupthink.scale.sharding import own_rows
from groupthink.scale.weights import Delivery, Piece, Rows, as_words, buckets_of, piece_of, put_rows

SIOCGIFADDR = 0x8915
"""Linux's request for the address of a network interface (netdevice(7))."""


@dataclass(frozen=True, slots=True)
class Curriculum:
    """All that a rank is told of what it is to learn, and how."""

    policy: Origin
    reference: Origin | None
    settings: PolicySettings
    objective: ObjectiveSettings
    total_steps: int
    temperature: float
    threads: int  # of each rank
    patience: float  # seconds that ranks wait for each other
    transport: str = "store"  # of weights to engines


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the learners stand, the same on every rank."""

    steps: int
    micro_batch_tokens: int
    guard: dict[str, Any]


class Rank:
    """Number `rank` of `ranks`. What several are asked, all must be asked, in the same order."""

    def __init__(self, rank: int, ranks: int):
        keep_freed_memory()
        self.rank, self.ranks = rank, ranks
        self.learner: ShardedLearner | None = None
        self._buckets: list[list[Rows]] = []

    def address(self) -> str:
        import ray

        return ray.util.get_node_ip_address()

    def host(self, address: str, patience: float) -> int:
        """Be where the others meet; the port, at `address`."""
        self.store = dist.TCPStore(
            address, 0, self.ranks, is_master=True, timeout=timedelta(seconds=patience), wait_for_workers=False
        )
        return self.store.port

    def meet(self, own: str, address: str, port: int, it: Curriculum) -> Standing:
        """Meet the others at `address`, and share the model out. `own`: this machine's address."""
        if it.transport == "nixl":
            open_agent()
        timeout = timedelta(seconds=it.patience)
        on_gpu = torch.cuda.is_available()
        if self.rank:
            self.store = dist.TCPStore(address, port, self.ranks, is_master=False, timeout=timeout)
        _talk_through(own)
        backend = "cpu:gloo,cuda:nccl" if on_gpu else "gloo"
        dist.init_process_group(backend, store=self.store, rank=self.rank, world_size=self.ranks, timeout=timeout)
        if on_gpu:
            torch.cuda.set_device(0)  # Ray shows a process the GPUs that are its own
        self.learner = ShardedLearner(
            it.policy.open(),
            it.reference.open() if it.reference is not None else None,
            replace(it.settings, threads=it.threads),
            it.objective,
            DeviceMesh("cuda" if on_gpu else "cpu", list(range(self.ranks))),
            total_steps=it.total_steps,
            temperature=it.temperature,
        )
        return self.standing()

    def standing(self) -> Standing:
        learner = self._learner
        return Standing(learner.steps, learner.micro_batch_tokens, asdict(learner.guard))

    def whereabouts(self) -> str:
        """What it is at: asked from a thread of its own."""
        return self.learner.ranks.whereabouts() if self.learner is not None else "opening"

    def update(self, batch: Batch, reference_logprobs_M: np.ndarray | None) -> tuple[Report | None, Standing]:
        report = self._learner.update(_writable(batch), _copied(reference_logprobs_M))
        return (report if self.rank == 0 else None), self.standing()

    def reference_logprobs(self, batch: Batch) -> np.ndarray | None:
        found = self._learner.reference_logprobs(_writable(batch))
        return found if self.rank == 0 else None

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray | None:
        found = self._learner.laws([beginning.copy() for beginning in beginnings])
        return found if self.rank == 0 else None

    def save(self, folder: str) -> None:
        with self._at("writing a checkpoint"):
            self._learner.save(Path(folder))

    def write_model(self, folder: str) -> None:
        with self._at("writing the model"):
            self._learner.write_model(Path(folder))

    def restore(self, folder: str | None, micro_batch_tokens: int | None) -> Standing:
        """From a checkpoint, if any. `micro_batch_tokens`: fewer than it says, where those did not fit."""
        learner = self._learner
        if folder is not None:
            with self._at("reading a checkpoint"):
                learner.restore(Path(folder))
        if micro_batch_tokens is not None:
            learner.micro_batch_tokens = min(micro_batch_tokens, learner.micro_batch_tokens)
        return self.standing()

    def pieces(self) -> list[tuple[Piece, ...]]:
        """What lies here of the policy, bucket by bucket, in the precision that engines draw in."""
        self._buckets = buckets_of(self._own_rows())
        return [tuple(map(piece_of, parts)) for parts in self._buckets]

    def bucket(self, place: int) -> list[np.ndarray]:
        """The rows that `pieces` has named."""
        parts, self._buckets[place] = self._buckets[place], []
        return [as_words(part.tensor) for part in parts]

    def deliver(self, version: int) -> Delivery:
        """The same, to be read where it lies."""
        return put_rows(version, self._own_rows(), transport="nixl")

    @contextmanager
    def _at(self, what: str) -> Iterator[None]:
        """For who asks for its whereabouts."""
        ranks = self._learner.ranks
        ranks.at = Whereabouts(what)
        try:
            yield
        finally:
            ranks.at = Whereabouts()

    @property
    def _learner(self) -> ShardedLearner:
        assert self.learner is not None, "it has met nobody yet"
        return self.learner

    def _own_rows(self) -> Iterator[Rows]:
        for name, parameter in self._learner.model.named_parameters():  # tied ones once
            first, rows = own_rows(parameter.detach())
            if len(rows):
                yield Rows(name, first, rows.to(self._learner.dtype))


def _writable(batch: Batch) -> Batch:
    """What comes through Ray's store is not to be written, and torch would warn of it."""
    return Batch(**{field.name: _copied(getattr(batch, field.name)) for field in fields(Batch)})


def _copied(it: Any) -> Any:
    return tuple(map(_copied, it)) if isinstance(it, tuple) else None if it is None else it.copy()


def _talk_through(address: str) -> None:
    """Have gloo use the network that this machine's `address` is of: a host's name may be that of another."""
    if not hasattr(socket, "if_nameindex") or sys.platform != "linux":
        return
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # it has no address of that family
                found = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name.encode()))
                if socket.inet_ntoa(found[20:24]) == address:
                    os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
                    os.environ.setdefault("NCCL_SOCKET_IFNAME", name)
