"""A step for a few batch sizes, each recorded once as a CUDA graph and replayed.

A step is some three hundred kernels of a few microseconds: launched one by one they would wait for Python.
"""

from collections.abc import Callable

import torch


def size_of(rows: int) -> int:
    """The batch size that serves so many rows: a power of 2. Rows that are not there cost next to nothing."""
    return 1 << max(rows - 1, 0).bit_length()


class Replays:
    """A step computes on tensors that stay where they are; `alive_R` says for which rows it has an effect."""

    def __init__(self, alive_R: torch.Tensor):
        self.alive_R = alive_R
        self.graphs: dict[int, torch.cuda.CUDAGraph] = {}

    def __call__(self, rows: int, step: Callable[[int], None]) -> None:
        """`step(size)`, always the same one, for at least so many rows."""
        size = size_of(rows)
        if self.alive_R.device.type != "cuda":
            return step(size)
        if size not in self.graphs:
            self.graphs[size] = self._record(size, step)
        self.graphs[size].replay()

    def _record(self, size: int, step: Callable[[int], None]) -> torch.cuda.CUDAGraph:
        alive_R = self.alive_R.clone()
        self.alive_R.zero_()
        step(size)  # kernels are compiled by their first launch, which cannot be recorded
        self.alive_R.copy_(alive_R)
        graph = torch.cuda.CUDAGraph()
        pool = next(iter(self.graphs.values())).pool() if self.graphs else None  # they never run side by side
        with torch.cuda.graph(graph, pool=pool):
            step(size)
        return graph
