"""Weights from memory to memory, of GPUs or not: NIXL, by Ray's direct transport.

    lay      rows are copied into one piece of memory on their device, a bucket after the other: nothing changes it
    put      a reference to a bucket, which says where it lies; the memory is kept as long as there is a reference
    Landing  who draws reads buckets from there into a piece of memory of its own; the other side has no part in it

UCX, which NIXL uses, takes what there is: CUDA IPC or shared memory within a machine, RDMA or TCP between two. What was
put is gone with the process that put it.
"""

import os
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType, TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from groupthink.extras import need

ALIGNED = 16
"""Bytes, of which each piece's place in a bucket is a multiple: a view in any type may begin there."""

PURPOSE = 'scale.transport="nixl"'


def require_nixl() -> None:
    """Raise ValueError where NIXL, or a Ray that can use it, is not installed."""
    os.environ.setdefault("NIXL_LOG_LEVEL", "WARN")  # it would speak on standard output
    try:
        need("nixl", PURPOSE, "nixl")
    except ModuleNotFoundError:
        raise
    except ImportError as error:  # no build for the CUDA that torch has, or a library that is not there
        raise ValueError(f"{PURPOSE} cannot be: {error}; pip install 'groupthink[nixl]'") from error
    _transports()


def open_agent() -> None:
    """Have this process of a cluster ready to send and to read. Raises ValueError where it cannot."""
    require_nixl()
    try:
        _transports().get_tensor_transport_manager("NIXL").get_nixl_agent()
    except Exception as error:
        raise ValueError(
            f"{PURPOSE}: NIXL does not begin on this machine ({error}): set UCX_LOG_LEVEL=debug to see why, or take "
            'scale.transport="store"'
        ) from error


def lay(heaps: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """A bucket, [bytes], for each heap of tensors: copies of all, in one piece of memory on their device."""
    sizes = [bytes_of([tensor.nbytes for tensor in heap]) for heap in heaps]
    if not sizes:
        return []
    memory = torch.empty(sum(sizes), dtype=torch.uint8, device=heaps[0][0].device)
    buckets = list(memory.split(sizes))
    for bucket, heap in zip(buckets, heaps, strict=True):
        for place, tensor in zip(parted(bucket, heap), heap, strict=True):
            place.copy_(tensor)
    return buckets


def parted(bucket: Tensor, likes: Sequence[Tensor]) -> list[Tensor]:
    """The tensors of a bucket, which are shaped like these."""
    places, start = [], 0
    for like in likes:
        places.append(bucket[start : start + like.nbytes].view(like.dtype).view(like.shape))
        start += _aligned(like.nbytes)
    return places


def bytes_of(sizes: Sequence[int]) -> int:
    """That a bucket of tensors of so many bytes takes.

    >>> bytes_of([16, 3, 40])
    80
    """
    return sum(map(_aligned, sizes))


def put(bucket: Tensor) -> Any:
    """A reference to a bucket."""
    import ray

    return ray.put(bucket, _tensor_transport="nixl")


class Landing:
    """Memory on `device` for one bucket of at most `most` bytes at a time, known to NIXL while it is entered."""

    def __init__(self, device: torch.device, most: int):
        self._memory = torch.empty(most, dtype=torch.uint8, device=device)

    def __enter__(self) -> Self:
        from ray.experimental import register_nixl_memory

        if self._memory.is_cuda:  # what had this memory before may still write there
            torch.cuda.synchronize(self._memory.device)
        register_nixl_memory(self._memory)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        from ray.experimental import deregister_nixl_memory

        deregister_nixl_memory(self._memory)

    def read(self, reference: Any, size: int, seconds: float) -> Tensor:
        """A bucket of `size` bytes, until the next one is read. Raises what Ray raises where it does not come."""
        import ray
        from ray.experimental import set_target_for_ref

        place = self._memory[:size]
        set_target_for_ref(reference, [place])
        return ray.get(reference, timeout=seconds)


def _aligned(size: int) -> int:
    return -(-size // ALIGNED) * ALIGNED


def _transports() -> ModuleType:
    try:
        return import_module("ray.experimental.rdt.util")
    except ImportError as error:
        raise ValueError(f"{PURPOSE} needs Ray 2.60 or a later one: pip install 'groupthink[nixl]'") from error
