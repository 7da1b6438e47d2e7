"""What is written down for each live row: how to draw for it, and what has been drawn."""

import numpy as np
import torch
from torch import Tensor

from groupthink.rollout.engine import Sampling

DRAWN = ("token_ids_BT", "logprobs_BT", "drawn_logprobs_BT", "versions_BT")


class Ledger:
    """Columns for `rows` rows. Tokens and log-probabilities stay on the device until a row has finished."""

    def __init__(self, rows: int, device: torch.device):
        self.device = device
        self.seed_B, self.count_B, self.limit_B, self.top_k_B = np.zeros((4, rows), np.int64)  # count: tokens drawn
        self.temperature_B, self.top_p_B = np.zeros((2, rows), np.float32)
        self.token_ids_BT = torch.zeros(rows, 0, dtype=torch.int64, device=device)
        self.versions_BT = torch.zeros(rows, 0, dtype=torch.int64, device=device)
        self.logprobs_BT = torch.zeros(rows, 0, device=device)
        self.drawn_logprobs_BT = torch.zeros(rows, 0, device=device)

    def open(self, row: int, seed: int, sampling: Sampling, max_tokens: int) -> None:
        """Begin a row: nothing drawn yet."""
        greedy = sampling.temperature == 0
        self.seed_B[row], self.count_B[row], self.limit_B[row] = seed, 0, max_tokens
        self.temperature_B[row] = 1.0 if greedy else sampling.temperature
        self.top_k_B[row] = 1 if greedy else sampling.top_k
        self.top_p_B[row] = sampling.top_p
        longer = max_tokens - self.token_ids_BT.shape[1]
        if longer > 0:
            for name in DRAWN:
                setattr(self, name, torch.nn.functional.pad(getattr(self, name), (0, longer)))

    def write(self, token_ids_B: Tensor, logprobs_B: Tensor, drawn_logprobs_B: Tensor, version: int) -> None:
        """Append one drawn token to each of the first rows."""
        B = len(token_ids_B)
        places = torch.arange(B, device=self.device), torch.from_numpy(self.count_B[:B]).to(self.device)
        self.token_ids_BT[places] = token_ids_B
        self.logprobs_BT[places] = logprobs_B
        self.drawn_logprobs_BT[places] = drawn_logprobs_B
        self.versions_BT[places] = version
        self.count_B[:B] += 1

    def read(self, row: int) -> tuple[np.ndarray, ...]:
        """Token ids, log-probabilities, those under the law that drew, and versions of a row so far."""
        return tuple(getattr(self, name)[row, : self.count_B[row]].cpu().numpy().copy() for name in DRAWN)

    def move(self, sources: list[int], targets: list[int]) -> None:
        """Put the `sources` rows in the place of the `targets` rows."""
        for column in (self.seed_B, self.count_B, self.limit_B, self.top_k_B, self.temperature_B, self.top_p_B):
            column[targets] = column[sources]
        for name in DRAWN:
            column_BT = getattr(self, name)
            column_BT[targets] = column_BT[sources]
