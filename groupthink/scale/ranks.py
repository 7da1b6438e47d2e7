"""Passes over the ranks of a process group: every rank runs the same learner, and each makes its share of the passes.

    every rank      decides the same from the same batch: what is computed, by whom, in which micro-batches
    each rank       computes its own share, with the others: tensors are gathered, gradients added, by all together
    every rank      hears what was found by all, so that it goes on deciding the same

A rank with fewer micro-batches than another goes along with passes that weigh nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule

from groupthink.policy.cut import take
from groupthink.policy.memory import ALONE, OutOfMemory, is_out_of_memory
from groupthink.policy.passes import Backward, Forward, MicroBatch, Passes
from groupthink.records import Batch
from groupthink.scale.sharding import shard

Part = TypeVar("Part", Batch, MicroBatch)
Found = TypeVar("Found", Forward, Backward)


class RankOutOfMemory(RuntimeError):
    """A micro-batch did not fit on one rank; the others wait for it in vain, and must be begun anew."""


@dataclass(slots=True)
class Whereabouts:
    """What a rank is at: Whereabouts("backward", 3, 8) is the third of eight passes."""

    what: str = "nothing"
    pass_: int = 0
    of: int = 0

    def __str__(self) -> str:
        return f"{self.what}, pass {self.pass_} of {self.of}" if self.of else self.what


class Ranks:
    """`local` are the passes of this rank, whose models are shared out over `mesh` from now on."""

    def __init__(self, local: Passes, mesh: DeviceMesh):
        self.local, self.size, self.rank = local, mesh.size(), mesh.get_local_rank()
        self._group = mesh.get_group()
        self.at = Whereabouts()
        self.passes = 0  # that were made so far
        for scorer in local.scorers.values():
            shard(scorer, mesh)

    def changed(self, whose: str = "policy") -> None:
        """Every rank has changed its own rows."""

    def forward(self, shares: Sequence[Sequence[Batch]], whose: str) -> list[Forward]:
        def one(batch: Batch) -> Forward:
            return self.local.forward(batch, whose)

        found = self._each("forward", shares, one, _shortest_batch)
        self._cut(whose)
        return found

    def backward(self, shares: Sequence[Sequence[MicroBatch]]) -> list[Backward]:
        """Raises RankOutOfMemory where one did not fit on this rank."""
        return self._each("backward", shares, self.local.backward, _weightless)

    def laws(self, beginnings: Sequence[np.ndarray]) -> np.ndarray:
        self.at = Whereabouts("laws")
        laws_RV = self.local.laws(beginnings)
        self._cut("policy")
        return laws_RV

    def whereabouts(self) -> str:
        """What this rank is at, and how far it has come, in words."""
        return f"{self.at}, after {self.passes} passes in all"

    def close(self) -> None:
        """The process group is the rank's own to end."""

    def _cut(self, whose: str) -> None:
        """Let go of what was gathered for passes without a gradient: the next ones may be of other weights."""
        scorer = self.local.scorers[whose]
        assert isinstance(scorer, FSDPModule)
        scorer.reshard()
        self.at = Whereabouts()

    def _each(
        self,
        what: str,
        shares: Sequence[Sequence[Part]],
        do: Callable[[Part], Found],
        idle: Callable[[Sequence[Sequence[Part]]], Part],
    ) -> list[Found]:
        assert len(shares) == self.size
        own, most, found = shares[self.rank], max(map(len, shares)), []
        for place in range(most):
            self.at = Whereabouts(what, place + 1, most)
            if place < len(own):
                found.append(self._in_memory(do, own[place]))
            else:
                self._in_memory(do, idle(shares))
            self.passes += 1
        self.at = Whereabouts(f"{what}, exchanging what was found")
        everyones: list[Any] = [None] * self.size
        dist.all_gather_object(everyones, found, group=self._group)
        self.at = Whereabouts()
        return [one for its in everyones for one in its]

    def _in_memory(self, do: Callable[[Part], Found], part: Part) -> Found:
        try:
            return do(part)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            batch = part.batch if isinstance(part, MicroBatch) else part
            if len(batch.starts) == 2:
                raise OutOfMemory(ALONE) from error
            raise RankOutOfMemory(f"a micro-batch did not fit into the memory of rank {self.rank}") from error


def _shortest_batch(shares: Sequence[Sequence[Batch]]) -> Batch:
    """The response that is read soonest."""
    batches = [batch for share in shares for batch in share]
    batch = min(batches, key=lambda batch: np.diff(batch.starts).min())
    return take(batch, np.array([int(np.diff(batch.starts).argmin())]))


def _weightless(shares: Sequence[Sequence[MicroBatch]]) -> MicroBatch:
    """The response that is read soonest, whose loss counts nothing."""
    micros = [micro for share in shares for micro in share]
    micro = min(micros, key=lambda micro: np.diff(micro.batch.starts).min())
    response = int(np.diff(micro.batch.starts).argmin())
    tokens = slice(micro.batch.starts[response], micro.batch.starts[response + 1])
    columns = {name: column[tokens] for name, column in micro.columns.items()}
    return replace(micro, batch=take(micro.batch, np.array([response])), columns=columns, scale=0.0)
