"""What is written down for each live row: how to draw for it, and what has been drawn."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from groupthink.rollout.engine import Sampling

DRAWN = ("token_ids_BT", "logprobs_BT", "drawn_logprobs_BT")
"""Columns of what comes from the device, and stays there until its row has finished."""


class Ledger:
    """Columns for `rows` rows."""

    def __init__(self, rows: int, device: torch.device):
        self.device = device
        self.seed_B, self.count_B, self.limit_B, self.top_k_B = np.zeros((4, rows), np.int64)  # count: tokens drawn
        self.temperature_B, self.top_p_B = np.zeros((2, rows), np.float32)
        self.simple_B = np.zeros(rows, bool)  # drawn from the whole law, or its likeliest token
        self.token_ids_BT = torch.zeros(rows, 0, dtype=torch.int64, device=device)
        self.logprobs_BT, self.drawn_logprobs_BT = torch.zeros(2, rows, 0, device=device)
        self.versions_BT = np.zeros((rows, 0), np.int64)

    def open(self, row: int, seed: int, sampling: Sampling, max_tokens: int) -> None:
        """Begin a row: nothing drawn yet."""
        greedy = sampling.temperature == 0
        self.seed_B[row], self.count_B[row], self.limit_B[row] = seed, 0, max_tokens
        self.temperature_B[row] = 1.0 if greedy else sampling.temperature
        self.top_k_B[row] = 1 if greedy else sampling.top_k
        self.top_p_B[row] = sampling.top_p
        self.simple_B[row] = self.top_k_B[row] == 1 or (self.top_k_B[row] == 0 and sampling.top_p == 1)
        longer = max_tokens - self.versions_BT.shape[1]
        if longer > 0:
            for name in DRAWN:
                setattr(self, name, torch.nn.functional.pad(getattr(self, name), (0, longer)))
            self.versions_BT = np.pad(self.versions_BT, ((0, 0), (0, longer)))

    def write(self, token_ids_B: Tensor, logprobs_B: Tensor, drawn_logprobs_B: Tensor, version: int) -> None:
        """Append a token to each of the first rows, drawn by weights of this version."""
        B = len(token_ids_B)
        places = torch.arange(B, device=self.device), torch.from_numpy(self.count_B[:B]).to(self.device)
        self.token_ids_BT[places] = token_ids_B
        self.logprobs_BT[places] = logprobs_B
        self.drawn_logprobs_BT[places] = drawn_logprobs_B
        self.versions_BT[np.arange(B), self.count_B[:B]] = version
        self.count_B[:B] += 1

    def write_many(self, drawn: tuple[Tensor, Tensor, Tensor], counts_B: np.ndarray, version: int) -> None:
        """Append to each of the first rows its first `counts_B` of what was drawn, columns [K, B] each."""
        B = len(counts_B)
        k, b = np.nonzero(np.arange(len(drawn[0]))[:, None] < counts_B)
        places = b, self.count_B[b] + k
        there = tuple(torch.from_numpy(place).to(self.device) for place in places)
        source = torch.from_numpy(k).to(self.device), there[0]
        for name, column_KB in zip(DRAWN, drawn, strict=True):
            getattr(self, name)[there] = column_KB[source]
        self.versions_BT[places] = version
        self.count_B[:B] += counts_B

    def read(self, row: int) -> tuple[np.ndarray, ...]:
        """Token ids, log-probabilities, those under the law that drew, and versions of a row so far."""
        return self.read_many([row])[0]

    def read_many(self, rows: Sequence[int]) -> list[tuple[np.ndarray, ...]]:
        """`read` of several rows, which a device is asked for together."""
        if not len(rows):
            return []
        counts = self.count_B[rows]
        longest = int(counts.max())
        here = torch.as_tensor(rows, device=self.device)
        drawn = [getattr(self, name)[:, :longest][here].cpu().numpy() for name in DRAWN]
        return [
            (*(column[i, :count].copy() for column in drawn), self.versions_BT[row, :count].copy())
            for i, (row, count) in enumerate(zip(rows, counts, strict=True))
        ]

    def read_beyond(self, told_B: np.ndarray) -> list[tuple[np.ndarray, ...]]:
        """The columns of `read` for the first rows, each without its first `told_B` tokens."""
        if not len(told_B):
            return []
        fresh_B = np.maximum(self.count_B[: len(told_B)] - told_B, 0)
        ends_B = np.cumsum(fresh_B)
        row_N = np.repeat(np.arange(len(told_B)), fresh_B)
        place_N = np.arange(len(row_N)) + np.repeat(told_B - (ends_B - fresh_B), fresh_B)
        here = torch.from_numpy(row_N).to(self.device), torch.from_numpy(place_N).to(self.device)
        columns = [getattr(self, name)[here].cpu().numpy() for name in DRAWN] + [self.versions_BT[row_N, place_N]]
        parts = (slice(end - fresh, end) for end, fresh in zip(ends_B, fresh_B, strict=True))
        return [tuple(column[part] for column in columns) for part in parts]

    def restore(self, row: int, columns: tuple[np.ndarray, ...]) -> None:
        """Write down anew what `read` gave, in a row that has been opened."""
        count = len(columns[0])
        for name, column in zip(DRAWN, columns[:3], strict=True):
            getattr(self, name)[row, :count] = torch.from_numpy(column).to(self.device)
        self.versions_BT[row, :count] = columns[3]
        self.count_B[row] = count

    def move(self, sources: list[int], targets: list[int]) -> None:
        """Put the `sources` rows in the place of the `targets` rows."""
        if not sources:
            return
        columns = (self.seed_B, self.count_B, self.limit_B, self.top_k_B, self.temperature_B, self.top_p_B)
        for column in (*columns, self.simple_B, self.versions_BT, *(getattr(self, name) for name in DRAWN)):
            column[targets] = column[sources]
