"""Running out of memory: how it is recognised, and what is tried then."""

import torch

SIGNS = ("can't allocate memory", "out of memory", "not enough memory")
"""What torch's allocators say, in lower case: those of processors, of mps, and of Windows."""


ALONE = (
    "one response at a time does not fit into memory: begin another run with policy.recompute_layers=true, lora.rank, "
    "or a smaller rollout.max_tokens"
)


class OutOfMemory(RuntimeError):
    """A micro-batch did not fit."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an allocator of torch, or Python's own, raised this."""
    if isinstance(error, MemoryError | OutOfMemory | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in SIGNS)


def give_back() -> None:
    """Return what torch's allocator keeps to the device, so that smaller pieces can be cut from it."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
