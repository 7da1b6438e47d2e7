"""Decoding by transformers' own forward pass and cache: for any causal language model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from groupthink.rollout.decoder import Unbounded


@dataclass(eq=False, slots=True)
class Cohort:
    """Sequences that were admitted together, padded at the left so that they end together."""

    cache: DynamicCache
    mask_BT: Tensor  # int64; 0 where a token is padding
    rows: list[int]  # where each of them is among the live sequences


class PlainDecoder(Unbounded):
    """One forward pass for each cohort and token."""

    def __init__(self, model: PreTrainedModel):
        self.model = model
        self.cohorts: list[Cohort] = []
        self.live = 0

    def refresh(self) -> None:
        """Nothing to follow: the model itself is asked."""

    def stale(self) -> list[str]:
        return []

    def release(self) -> None:
        assert not self.live

    @torch.inference_mode()
    def admit(self, prompts: Sequence[np.ndarray], copies: Sequence[int]) -> Tensor:
        longest, rows, device = max(map(len, prompts)), sum(copies), self.model.device
        token_ids, mask = np.zeros((2, len(prompts), longest), np.int64)
        for row, prompt in enumerate(prompts):
            token_ids[row, longest - len(prompt) :] = prompt
            mask[row, longest - len(prompt) :] = 1
        cohort = Cohort(
            DynamicCache(config=self.model.config), torch.from_numpy(mask).to(device), list(range(len(prompts)))
        )
        logits = self._forward(cohort, torch.from_numpy(token_ids).to(device))
        source = torch.from_numpy(np.repeat(np.arange(len(prompts)), copies)).to(device)
        self._select(cohort, source)
        cohort.rows = list(range(self.live, self.live + rows))
        self.cohorts.append(cohort)
        self.live += rows
        return logits[source]

    @torch.inference_mode()
    def decode(self, token_ids_B: Tensor) -> Tensor:
        logits_BV: Tensor | None = None
        for cohort in self.cohorts:
            rows = torch.tensor(cohort.rows, device=token_ids_B.device)
            cohort.mask_BT = torch.nn.functional.pad(cohort.mask_BT, (0, 1), value=1)
            logits = self._forward(cohort, token_ids_B[rows, None])
            if logits_BV is None:
                logits_BV = logits.new_empty(self.live, logits.shape[-1])
            logits_BV[rows] = logits
        assert logits_BV is not None
        return logits_BV

    @torch.inference_mode()
    def move(self, sources: list[int], targets: list[int], live: int) -> None:
        now = dict(zip(sources, targets, strict=True))
        ended = set(range(live, self.live)) - set(sources) | set(targets)
        for cohort in self.cohorts:
            kept = [i for i, row in enumerate(cohort.rows) if row not in ended]
            if 0 < len(kept) < len(cohort.rows):
                self._select(cohort, torch.tensor(kept, device=self.model.device))
            cohort.rows = [now.get(cohort.rows[i], cohort.rows[i]) for i in kept]
        self.cohorts = [cohort for cohort in self.cohorts if cohort.rows]
        self.live = live

    def _forward(self, cohort: Cohort, token_ids: Tensor) -> Tensor:
        positions = (cohort.mask_BT.cumsum(-1) - 1).clamp_(min=0)[:, -token_ids.shape[1] :]
        outputs = self.model(
            input_ids=token_ids,
            attention_mask=cohort.mask_BT,
            position_ids=positions,
            past_key_values=cohort.cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return outputs.logits[:, -1]

    @staticmethod
    def _select(cohort: Cohort, rows: Tensor) -> None:
        cohort.cache.batch_select_indices(rows)
        cohort.mask_BT = cohort.mask_BT[rows]
