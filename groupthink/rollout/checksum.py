"""64 bits that tell whether two tensors hold the same values, found where the tensors lie."""

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache

import torch
from torch import Tensor

from groupthink.model.compiled import compiled

BLOCK = 2**18  # elements at a time: what is made of them stays in a CPU's cache
WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
GOLDEN, MIX_1, MIX_2 = (word - 2**64 for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


Place = tuple[int, int]
"""Row and column at which a shard of a tensor begins."""


@torch.no_grad()
def checksum(tensor: Tensor, place: Place = (0, 0), columns: int | None = None) -> int:
    """The sum over a tensor's elements of a mix of each one's bits and its place, modulo 2**64.

    The mix is SplitMix64's (Steele, Lea and Flood 2014). Any order of adding gives the same, so a GPU may add, and
    what is found of a tensor's shards, each at its `place` in a whole of so many `columns`, adds up to that of the
    whole. -0 counts as 0.
    """
    width = max(1, tensor[0].numel() if tensor.dim() and len(tensor) else 1)
    (row, column), columns = place, columns or width
    if tensor.device.type == "cpu" and (found := library()) is not None:
        words = tensor.detach().contiguous()
        rows, across = (1, words.numel()) if columns == width else (words.numel() // width, width)
        zero = -(2 ** (8 * words.itemsize - 1)) if words.is_floating_point() else 0  # the bits of -0
        take = getattr(found, f"groupthink_checksum_{words.itemsize}")
        return take(words.data_ptr(), rows, across, columns, row * columns + column, zero)
    words = (tensor.detach() + 0).contiguous().view(WORDS[tensor.itemsize]).flatten()
    total = 0
    for start in range(0, len(words), BLOCK):
        z = words[start : start + BLOCK].long()
        places = torch.arange(start, start + len(z), device=z.device)
        if columns != width:
            places = places.div(width, rounding_mode="floor") * columns + places % width
        z += (places + (row * columns + column + 1)) * GOLDEN
        z = (z ^ (z >> 30)) * MIX_1
        z = (z ^ (z >> 27)) * MIX_2
        total += int((z ^ (z >> 31)).sum())
    return total % 2**64


@cache
def library() -> ctypes.CDLL | None:
    """checksum.c as it was compiled at installation; None where it was not, or by another Python."""
    if (loaded := compiled("groupthink.rollout._checksum")) is None:
        return None
    for size in WORDS:
        take = getattr(loaded, f"groupthink_checksum_{size}")
        take.argtypes, take.restype = (ctypes.c_void_p, *[ctypes.c_int64] * 5), ctypes.c_uint64
    return loaded


def checksums(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    return {name: checksum(tensor) for name, tensor in tensors.items()}


def of_whole(shards: Sequence[Mapping[str, tuple[Place, int]]]) -> dict[str, int]:
    """Checksums of whole tensors, from what each process says of its shard of each, and where that begins.

    Several may hold the same shard; where they do not hold the same there is no checksum: -1, which nothing has.
    """
    found: dict[str, dict[Place, int]] = {}
    unequal = set()
    for its in shards:
        for name, (place, part) in its.items():
            if found.setdefault(name, {}).setdefault(place, part) != part:
                unequal.add(name)
    return {name: -1 if name in unequal else sum(parts.values()) % 2**64 for name, parts in found.items()}
