"""vLLM in several processes, each with a shard of every matrix.

The model's tensors stand in a file that all of them have mapped: each takes its own shard from there. What they say of
their shards is put together here.

Imported where vLLM is installed.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

import groupthink
from groupthink.rollout.checksum import of_whole
from groupthink.rollout.vllm.core import VllmCore
from groupthink.rollout.vllm.pieces import Plan

# As many processes as are asked for, on whatever cores they find: else one for each NUMA node, and no more.
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"  # this process has threads, which a fork would lose

EXTENSION = "groupthink.rollout.vllm.shard.ShardWorker"


class TensorParallelCore(VllmCore):
    """`path`: the file with tensors of these shapes, by name; it may be gone once this is made."""

    def __init__(self, plan: Plan, path: Path, like: Mapping[str, tuple[int, ...]]):
        _show_package(Path(plan.folder))
        super().__init__(plan)
        self._engine.collective_rpc("map_weights", args=(path, dict(like), plan.dtype, plan.aliases))

    def decoded_with(self, alive: Callable[[], None] = lambda: None) -> dict[str, int]:
        self._wake("weights")
        return of_whole(self._engine.collective_rpc("decoded_checksums"))

    def _arguments(self) -> dict[str, Any]:
        return {
            **super()._arguments(),
            "tensor_parallel_size": self.plan.tensor_parallel,
            "distributed_executor_backend": "mp",
            "worker_extension_cls": EXTENSION,
        }

    def _put(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Those of the file, which hold the same."""
        self._engine.collective_rpc("take_over")


def _show_package(folder: Path) -> None:
    """Let processes that are spawned import groupthink, and nothing else of the environment that it lies in."""
    shown = folder / "package"
    shown.mkdir(exist_ok=True)
    link = shown / "groupthink"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(groupthink.__file__).parent)
    sys.path.append(str(shown))
