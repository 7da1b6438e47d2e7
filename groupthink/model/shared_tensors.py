"""Named tensors in a file that several processes have mapped: weights on their way out, gradients on their way back."""

import errno
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

LINE = 64
"""Bytes; each tensor begins at a multiple of a cache line, as torch's own do: matrix products are faster so."""


class SharedTensors:
    """Tensors of the names, shapes and type of `like`, in the file at `path`; they begin as what the file holds.

    Raises ValueError where `like` has tensors of several types.
    """

    def __init__(self, path: Path, like: Mapping[str, Tensor]):
        types = {tensor.dtype for tensor in like.values()}
        if len(types) != 1:
            raise ValueError("the model's parameters are of several types: set rollout.processes=1, policy.processes=1")
        (dtype,) = types
        grain = max(1, LINE // dtype.itemsize)
        rooms = [-(-tensor.numel() // grain) * grain for tensor in like.values()]
        _reserve(path, sum(rooms) * dtype.itemsize)
        self._flat = torch.from_file(str(path), shared=True, size=sum(rooms), dtype=dtype)
        parts = self._flat.split(rooms)
        self.tensors: dict[str, Tensor] = {
            name: part[: tensor.numel()].view(tensor.shape)
            for part, (name, tensor) in zip(parts, like.items(), strict=True)
        }

    def write(self, tensors: Mapping[str, Tensor]) -> int:
        """Copy `tensors` into the file; gives its checksum."""
        with torch.no_grad():
            for name, shared in self.tensors.items():
                shared.copy_(tensors[name])
        return self.checksum()

    def checksum(self) -> int:
        return zlib.crc32(self._flat.view(torch.uint8).numpy().data)


def _reserve(path: Path, size: int) -> None:
    """Make the file `size` bytes long where it is shorter; a disk that is full then says so now, and in words."""
    with path.open("ab") as file:
        if hasattr(os, "posix_fallocate") and file.tell() < size:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    return  # a file system that cannot reserve
                raise OSError(
                    error.errno,
                    f"no room for {size:,} bytes of weights in {tempfile.gettempdir()}: set TMPDIR to a larger folder",
                ) from None
