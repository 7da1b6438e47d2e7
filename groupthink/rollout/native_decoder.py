"""The decoder of small Llamas and Qwen3s on a CPU. Used only where `verify.agrees` finds it equal to transformers'."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from groupthink.rollout import native_law
from groupthink.rollout.decoder import Unbounded
from groupthink.rollout.ledger import Ledger
from groupthink.rollout.native import PAGE, Rows, Step, can_compute
from groupthink.rollout.pages import Pages
from groupthink.rollout.sync import different

CHUNK = 512
"""Tokens of prompts that are computed at once: this bounds the memory that it takes."""


class NativeDecoder(Unbounded):
    """Row b follows a prompt, in pages that its group shares, and then has tokens in pages of its own.

    Moving a row moves the numbers of its pages, and nothing else.
    """

    def __init__(self, model: PreTrainedModel):
        assert can_compute(model)
        self.model, self.live = model, 0
        self.refresh()
        self.release()

    def refresh(self) -> None:
        self.step = Step(self.model)

    def stale(self) -> list[str]:
        return different(self.step.tensors(), Step(self.model).tensors())

    def release(self) -> None:
        assert not self.live
        self.pages = Pages(self.step.page_shape())
        self.prompt_pages_BP = np.zeros((0, 1), np.int32)
        self.own_pages_BP = np.zeros((0, 1), np.int32)
        self.prompt_B, self.own_B = np.zeros((2, 0), np.int32)  # tokens in them
        self.held_B = np.zeros(0, np.int32)  # pages of its own

    @torch.inference_mode()
    def admit(self, prompts: Sequence[np.ndarray], copies: Sequence[int]) -> Tensor:
        lengths, source = np.array([len(prompt) for prompt in prompts]), np.repeat(np.arange(len(prompts)), copies)
        self._widen(int(lengths.max()))
        pages_QP = np.zeros((len(prompts), self.prompt_pages_BP.shape[1]), np.int32)
        for pages_P, length, users in zip(pages_QP, lengths, copies, strict=True):
            used = pages_of(length)
            pages_P[:used] = self.pages.take(used, users)
        logits = self._prefill(np.concatenate(prompts), lengths, pages_QP)
        rows = len(source)
        self.prompt_pages_BP = np.concatenate([self.prompt_pages_BP, pages_QP[source]])
        self.own_pages_BP = np.concatenate([self.own_pages_BP, np.zeros((rows, pages_QP.shape[1]), np.int32)])
        self.prompt_B = np.concatenate([self.prompt_B, lengths[source].astype(np.int32)])
        self.own_B = np.concatenate([self.own_B, np.zeros(rows, np.int32)])
        self.held_B = np.concatenate([self.held_B, np.zeros(rows, np.int32)])
        self.live += rows
        return logits[torch.from_numpy(source)]

    @torch.inference_mode()
    def decode(self, token_ids_B: Tensor) -> Tensor:
        rows = self._rows(1)
        logits = self.step(self.pages.pool, rows, token_ids_B.numpy(), np.arange(self.live))
        self.own_B += 1
        return logits

    def can_draw_many(self, logits_BV: Tensor, ledger: Ledger, *, soon: bool) -> bool:
        """One token at a time costs little here."""
        return not soon and native_law.can_draw(logits_BV, ledger)

    @torch.inference_mode()
    def draw_many(
        self,
        most: int,
        logits_BV: Tensor,
        ledger: Ledger,
        version: int,
        is_stop_V: np.ndarray,
        meanwhile: Callable[[], None],
    ) -> tuple[Tensor, np.ndarray]:
        """`most` is a page of them, no more."""
        rows, columns = self._rows(most), native_law.Columns.of(ledger, version)
        drawn = self.step.draw_many(self.pages.pool, rows, most, logits_BV, columns, is_stop_V)
        meanwhile()
        return drawn

    def move(self, sources: list[int], targets: list[int], live: int) -> None:
        rows = np.arange(self.live)
        rows[targets] = sources
        rows = rows[:live]
        gone_B, left = np.ones(self.live, bool), [np.zeros(0, np.int32)]
        gone_B[rows] = False
        for b in np.flatnonzero(gone_B):
            left += self.prompt_pages_BP[b, : pages_of(self.prompt_B[b])], self.own_pages_BP[b, : self.held_B[b]]
        self.pages.leave(np.concatenate(left))
        self.prompt_pages_BP, self.own_pages_BP = self.prompt_pages_BP[rows], self.own_pages_BP[rows]
        self.prompt_B, self.own_B, self.held_B = self.prompt_B[rows], self.own_B[rows], self.held_B[rows]
        self.live = live

    def _prefill(self, token_ids_N: np.ndarray, lengths_Q: np.ndarray, pages_QP: np.ndarray) -> Tensor:
        """The logits [Q, V] after prompts that lie end to end; their keys and values are written into their pages."""
        owner_N = np.repeat(np.arange(len(lengths_Q)), lengths_Q)
        ends_Q = np.cumsum(lengths_Q)
        place_N = (np.arange(len(token_ids_N)) - (ends_Q - lengths_Q)[owner_N]).astype(np.int32)
        logits = []
        for start in range(0, len(token_ids_N), CHUNK):
            part = slice(start, start + CHUNK)
            pages_NP, nothing_N = pages_QP[owner_N[part]], np.zeros(len(place_N[part]), np.int32)
            last = ends_Q - 1 - start
            last = last[(last >= 0) & (last < CHUNK)]
            rows = Rows(pages_NP, pages_NP, nothing_N, place_N[part])
            logits.append(self.step(self.pages.pool, rows, token_ids_N[part], last))
        return torch.cat(logits)

    def _rows(self, tokens: int) -> Rows:
        """The live rows, with room for so many tokens more."""
        assert tokens <= PAGE
        full = np.flatnonzero(self.held_B * PAGE < self.own_B + tokens)
        if len(full):
            self._widen(int(self.own_B.max()) + tokens)
            self.own_pages_BP[full, self.held_B[full]] = self.pages.take(len(full))
            self.held_B[full] += 1
        return Rows(self.prompt_pages_BP, self.own_pages_BP, self.prompt_B, self.own_B)

    def _widen(self, tokens: int) -> None:
        """Columns for the pages of so many tokens."""
        more = pages_of(tokens) - self.own_pages_BP.shape[1]
        if more > 0:
            self.prompt_pages_BP, self.own_pages_BP = (
                np.pad(table, ((0, 0), (0, more))) for table in (self.prompt_pages_BP, self.own_pages_BP)
            )


def pages_of(tokens: int) -> int:
    """How many pages so many tokens fill."""
    return -(-int(tokens) // PAGE)
