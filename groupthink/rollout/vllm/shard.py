"""What each of several processes of vLLM does with its shard of a model. Mixed into vLLM's own worker."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groupthink.model.shared_tensors import SharedTensors
from groupthink.rollout.checksum import Place
from groupthink.rollout.vllm.weights import decoded_with


class ShardWorker:
    model_runner: Any  # vLLM's

    def map_weights(
        self, path: Path, like: Mapping[str, tuple[int, ...]], dtype: str, aliases: Mapping[str, str]
    ) -> None:
        tensors = {name: torch.empty(shape, dtype=getattr(torch, dtype)) for name, shape in like.items()}
        self.mapped, self.aliases = SharedTensors(path, tensors).tensors, aliases

    def take_over(self) -> None:
        """This process's shard of what the file holds now."""

        def whole() -> Iterator[tuple[str, Tensor]]:
            yield from self.mapped.items()
            yield from ((name, self.mapped[source]) for name, source in self.aliases.items())

        self.model_runner.reload_weights(weights_iterator=whole())

    def decoded_checksums(self) -> dict[str, tuple[Place, int]]:
        """Of each tensor: where this process's shard of it begins, and that one's checksum."""
        return {name: (shard.place, shard.checksum()) for name, shard in decoded_with(self.model_runner.get_model())}
