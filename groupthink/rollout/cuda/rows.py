"""What a step on a GPU reads and writes of its rows: columns that stay where they are."""

import numpy as np
import torch


class Rows:
    """Columns for `count` rows, of which each has a table of up to `width` pages."""

    def __init__(self, count: int, width: int, device: torch.device):
        self.count = count
        self.token_ids_R = torch.zeros(count, dtype=torch.int64, device=device)  # that come next
        self.lengths_R, self.alive_R, self.left_R, self.drawn_R = torch.zeros(
            4, count, dtype=torch.int32, device=device
        )
        self.order_R = torch.arange(count, dtype=torch.int32, device=device)  # in which attention takes them
        self.numbers_R = torch.arange(count, dtype=torch.int32, device=device)
        self.tables_RW = torch.zeros(count, width, dtype=torch.int32, device=device)

    def write(self, tables_RW: np.ndarray, lengths_B: np.ndarray, left_B: np.ndarray | None = None) -> None:
        """How the first B rows stand, all of them alive. `left_B`: how many tokens each may still have."""
        B = len(lengths_B)
        self.tables_RW.copy_(torch.from_numpy(tables_RW))
        self.lengths_R[:B] = torch.from_numpy(lengths_B.astype(np.int32)).to(self.lengths_R.device)
        self.alive_R[:B], self.alive_R[B:] = 1, 0
        self.drawn_R.zero_()
        order_B = np.argsort(-lengths_B, kind="stable").astype(np.int32)
        self.order_R[:B], self.order_R[B:] = torch.from_numpy(order_B).to(self.order_R.device), self.numbers_R[B:]
        if left_B is not None:
            self.left_R[:B] = torch.from_numpy(left_B.astype(np.int32)).to(self.left_R.device)
