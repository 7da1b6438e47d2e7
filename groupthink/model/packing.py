"""Sequences of different lengths as one row of tokens without padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from groupthink.model.spans import Span


@dataclass(frozen=True, eq=False, slots=True)
class Packed:
    """Prompts, each held once, and then responses; a response's last token is a target but never an input.

    The responses [7, 8] and [9] to the prompt [4, 5]:
    Packed(token_ids_N=[4, 5, 7], position_ids_N=[0, 1, 2], before_M=[1, 2, 1], targets_M=[7, 8, 9],
        spans=(Span([], [0, 1]), Span([0, 1], [2]), Span([0, 1], [])))
    """

    token_ids_N: Tensor  # int64
    position_ids_N: Tensor  # int64; from 0 at the start of each prompt
    before_M: Tensor  # int64; the place in the pack of the token before each target
    targets_M: Tensor  # int64; the tokens of the responses, one response after another
    spans: tuple[Span, ...]  # what attends to what: each prompt, then each response; places of this process's memory

    @property
    def ends(self) -> list[int]:
        """Where each response ends among the targets."""
        return list(accumulate(len(span.own) + 1 for span in self.spans if len(span.prompt)))

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence, prompt included."""
        return max(len(span.prompt) + len(span.own) for span in self.spans)

    def to(self, device: str | torch.device) -> "Packed":
        return Packed(
            self.token_ids_N.to(device),
            self.position_ids_N.to(device),
            self.before_M.to(device),
            self.targets_M.to(device),
            self.spans,
        )


def pack(
    prompts: Sequence[np.ndarray], responses: Sequence[np.ndarray], group_of_response: Sequence[int] | np.ndarray
) -> Packed:
    """Pack responses with the prompts of their groups. Prompts that no response asks for are left out.

    Raises ValueError for an empty prompt: nothing would come before the first token of its responses.
    """
    tokens: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    prompt_places: dict[int, np.ndarray] = {}
    end = 0

    def append(token_ids: np.ndarray, first_position: int) -> np.ndarray:
        nonlocal end
        tokens.append(token_ids)
        positions.append(np.arange(first_position, first_position + len(token_ids)))
        places = np.arange(end, end + len(token_ids))
        end += len(token_ids)
        return places

    for group in sorted({int(group) for group in group_of_response}):
        if not len(prompts[group]):
            raise ValueError(f"prompt {group} has no tokens: a response must follow at least one")
        prompt_places[group] = append(prompts[group], 0)
    before = []
    spans = [Span(torch.arange(0), torch.from_numpy(places)) for places in prompt_places.values()]
    for response, group in zip(responses, group_of_response, strict=True):
        assert len(response), "a response has at least one token"
        prompt = prompt_places[int(group)]
        own = append(response[:-1], len(prompt))
        spans.append(Span(torch.from_numpy(prompt), torch.from_numpy(own)))
        before.append(np.concatenate([prompt[-1:], own]))
    assert before, "there is nothing to pack"
    return Packed(
        token_ids_N=_tensor(tokens),
        position_ids_N=_tensor(positions),
        before_M=_tensor(before),
        targets_M=_tensor(responses),
        spans=tuple(spans),
    )


def _tensor(parts: Sequence[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.concatenate(parts).astype(np.int64, copy=False))
