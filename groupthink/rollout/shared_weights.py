"""The weights that several processes draw from, in a file that all of them have mapped."""

import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from transformers import PreTrainedModel


class SharedWeights:
    """A model's parameters in a file that several processes have mapped."""

    def __init__(self, path: Path, model: PreTrainedModel):
        named = dict(model.named_parameters())
        if len({parameter.dtype for parameter in named.values()}) != 1:
            raise ValueError("the model's parameters are of several types: set rollout.processes=1")
        size = sum(parameter.numel() for parameter in named.values())
        self._flat = torch.from_file(str(path), shared=True, size=size, dtype=model.dtype)
        parts = self._flat.split([parameter.numel() for parameter in named.values()])
        self.tensors: dict[str, Tensor] = {
            name: part.view(parameter.shape) for part, (name, parameter) in zip(parts, named.items(), strict=True)
        }

    def write(self, tensors: Mapping[str, Tensor]) -> int:
        """Copy `tensors` into the file; gives its checksum."""
        with torch.no_grad():
            for name, shared in self.tensors.items():
                shared.copy_(tensors[name])
        return self.checksum()

    def checksum(self) -> int:
        return zlib.crc32(self._flat.view(torch.uint8).numpy().data)
