"""Memory for keys and values in pages of a fixed size, which several sequences may share."""

import numpy as np
import torch

GPU_PAGE = 64
"""Tokens whose keys and values lie together on a GPU, and are read together."""


class FixedPages:
    """How many sequences use each of `count` pages."""

    def __init__(self, count: int):
        self.users = np.zeros(count, np.int64)
        self.free = list(range(count))

    def take(self, count: int, users: int = 1) -> np.ndarray:
        """Numbers of `count` free pages (int32), which now have `users` each."""
        cut = len(self.free) - count
        assert cut >= 0, "there are not so many: ask before"
        taken = np.array(self.free[cut:], np.int32)
        del self.free[cut:]
        self.users[taken] = users
        return taken

    def leave(self, pages: np.ndarray) -> None:
        """One user less for each page, as often as it stands there; those without users are free again."""
        np.subtract.at(self.users, pages, 1)
        named = np.unique(pages)
        self.free += named[self.users[named] == 0].tolist()


class Pages(FixedPages):
    """A pool [pages, *shape] that grows as it is asked for."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__(0)
        self.pool = torch.empty(0, *shape, dtype=torch.float32, device="cpu")

    def take(self, count: int, users: int = 1) -> np.ndarray:
        """As of fixed pages; the pool may move."""
        held = len(self.pool)
        if len(self.free) < count:
            more = max(count - len(self.free), held)  # at least twice as many
            self.pool = torch.cat([self.pool, self.pool.new_empty(more, *self.pool.shape[1:])])
            self.users = np.concatenate([self.users, np.zeros(more, np.int64)])
            self.free += range(held, held + more)
        return super().take(count, users)
