"""64 bits that tell whether two tensors hold the same values, found where the tensors lie."""

from collections.abc import Mapping

import torch
from torch import Tensor

BLOCK = 2**18  # elements at a time: what is made of them stays in a CPU's cache
WORDS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
GOLDEN, MIX_1, MIX_2 = (word - 2**64 for word in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@torch.no_grad()
def checksum(tensor: Tensor) -> int:
    """The sum over a tensor's elements of a mix of each one's bits and its place, modulo 2**64.

    The mix is SplitMix64's (Steele, Lea and Flood 2014). Any order of adding gives the same, so a GPU may add. -0
    counts as 0.
    """
    words = (tensor.detach() + 0).contiguous().view(WORDS[tensor.itemsize]).flatten()
    total = 0
    for start in range(0, len(words), BLOCK):
        z = words[start : start + BLOCK].long()
        z += torch.arange(start + 1, start + 1 + len(z), device=z.device) * GOLDEN
        z = (z ^ (z >> 30)) * MIX_1
        z = (z ^ (z >> 27)) * MIX_2
        total += int((z ^ (z >> 31)).sum())
    return total % 2**64


def checksums(tensors: Mapping[str, Tensor]) -> dict[str, int]:
    return {name: checksum(tensor) for name, tensor in tensors.items()}
