"""The model as the sampling loop sees it: rows of live sequences, and the logits of the token that each needs next."""

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel


class Decoder(Protocol):
    """Holds the keys and values of live sequences in rows 0, 1, ... without gaps."""

    def admit(self, prompts: Sequence[np.ndarray], copies: Sequence[int]) -> Tensor:
        """Prefill each prompt once and add `copies` rows that go on from it; gives their logits [rows added, V]."""
        ...

    def decode(self, token_ids_B: Tensor) -> Tensor:
        """Append one token to every live row; gives the logits [B, V] after it."""
        ...

    def move(self, sources: list[int], targets: list[int], live: int) -> None:
        """Put the `sources` rows in the place of the `targets` rows; the first `live` rows stay alive."""
        ...

    def refresh(self) -> None:
        """The model's weights have changed: follow them."""
        ...

    def stale(self) -> list[str]:
        """Names of the tensors that it decodes with which are not what the model's weights now make of them."""
        ...

    def release(self) -> None:
        """Give memory back; asked only while no row is alive."""
        ...


def open_decoder(model: PreTrainedModel) -> Decoder:
    """The fastest hand-written decoder that agrees with this model's own forward pass, else transformers' own."""
    from groupthink.model.llama import knows
    from groupthink.rollout.fast import FastDecoder
    from groupthink.rollout.native import can_compute
    from groupthink.rollout.native_decoder import NativeDecoder
    from groupthink.rollout.plain import PlainDecoder
    from groupthink.rollout.verify import agrees

    by_hand: list[tuple[bool, Callable[[PreTrainedModel], Decoder]]] = [
        (can_compute(model), NativeDecoder),
        (knows(model), FastDecoder),
    ]
    for fits, make in by_hand:
        if fits and agrees(decoder := make(model), model):
            return decoder
    return PlainDecoder(model)
