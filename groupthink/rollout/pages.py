"""Memory for keys and values in pages of a fixed size, which several sequences may share."""

import numpy as np
import torch


class Pages:
    """A pool [pages, *shape] that grows as it is asked for, and how many sequences use each of its pages."""

    def __init__(self, shape: tuple[int, ...]):
        self.pool = torch.empty(0, *shape, dtype=torch.float32, device="cpu")
        self.users = np.zeros(0, np.int64)
        self.free: list[int] = []

    def take(self, count: int, users: int = 1) -> np.ndarray:
        """Numbers of `count` free pages (int32), which now have `users` each. The pool may move."""
        held = len(self.pool)
        if len(self.free) < count:
            more = max(count - len(self.free), held)  # at least twice as many
            self.pool = torch.cat([self.pool, self.pool.new_empty(more, *self.pool.shape[1:])])
            self.users = np.concatenate([self.users, np.zeros(more, np.int64)])
            self.free += range(held, held + more)
        cut = len(self.free) - count
        taken = np.array(self.free[cut:], np.int32)
        del self.free[cut:]
        self.users[taken] = users
        return taken

    def leave(self, pages: np.ndarray) -> None:
        """One user less for each page, as often as it stands there; those without users are free again."""
        np.subtract.at(self.users, pages, 1)
        named = np.unique(pages)
        self.free += named[self.users[named] == 0].tolist()
