"""The model as the sampling loop sees it: rows of live sequences, and the logits of the token that each needs next."""

import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from torch import Tensor
from transformers import PreTrainedModel

from groupthink.rollout.ledger import Ledger


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

    def reserve(self, rows: int, tokens: int) -> None:
        """Asked before rows come and none is alive: up to `rows` of up to `tokens` tokens each are to be held."""
        ...

    def fits(self, tokens: Sequence[int], copies: Sequence[int], ahead: int, longest: int) -> bool:
        """Whether there is room for prompts of so many tokens, in so many copies, and `ahead` more for every row.

        `longest`: tokens that one of them may come to.
        """
        ...

    def can_go_on(self, ahead_B: np.ndarray) -> bool:
        """Whether every live row has room for so many tokens more."""
        ...

    def can_draw_many(self, logits_BV: Tensor, ledger: Ledger, *, soon: bool) -> bool:
        """Whether it draws, too, several tokens a call.

        `soon`: others wait for the places of rows that end, or somebody watches what is drawn.
        """
        ...

    def draw_many(
        self,
        most: int,
        logits_BV: Tensor,
        ledger: Ledger,
        version: int,
        is_stop_V: np.ndarray,
        meanwhile: Callable[[], None],
    ) -> tuple[Tensor, np.ndarray]:
        """Up to `most` tokens for every live row, the first by `logits_BV`, written down in the ledger.

        Gives the logits [B, V] after them and which rows have ended [B]: those are still there, without logits.
        `meanwhile` is called once, while a device works or after.
        """
        ...


class Unbounded:
    """What a decoder need not write out that takes memory as it needs it, and leaves drawing to others."""

    def reserve(self, rows: int, tokens: int) -> None:
        pass

    def fits(self, tokens: Sequence[int], copies: Sequence[int], ahead: int, longest: int) -> bool:
        return True

    def can_go_on(self, ahead_B: np.ndarray) -> bool:
        return True

    def can_draw_many(self, logits_BV: Tensor, ledger: Ledger, *, soon: bool) -> bool:
        return False

    def draw_many(self, *what: Any, **more: Any) -> tuple[Tensor, np.ndarray]:
        raise NotImplementedError  # it was said that it cannot


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
        (on_a_gpu(model), _cuda_decoder),
        (knows(model), FastDecoder),
    ]
    for fits, make in by_hand:
        try:
            if fits and agrees(decoder := make(model), model):
                return decoder
        except Exception as error:
            if make is not _cuda_decoder:
                raise
            warnings.warn(f"the kernels for this GPU could not be run, and slower ones are: {error}", stacklevel=2)
    return PlainDecoder(model)


def on_a_gpu(model: PreTrainedModel) -> bool:
    """Whether the model lies on a GPU for which there are kernels, and has an architecture that they are made for."""
    if model.device.type != "cuda" or find_spec("triton") is None:
        return False
    from groupthink.rollout.cuda.decoder import can_decode

    return can_decode(model)


def _cuda_decoder(model: PreTrainedModel) -> Decoder:
    from groupthink.rollout.cuda.decoder import CudaDecoder

    return CudaDecoder(model)
