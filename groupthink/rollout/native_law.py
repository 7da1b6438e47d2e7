"""law.c as Python calls it: a step's draws in one call, on a CPU."""

import ctypes
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groupthink.model.compiled import compiled
from groupthink.rollout.ledger import Ledger

FLOATS: Any = {"dtype": torch.float32, "device": "cpu"}
"""Memory that C writes to, whatever torch's defaults are."""


class Columns(ctypes.Structure):
    """A ledger as C sees it, for as long as no row is opened."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("temperature", "top_k", "seed", "limit", "count")),
        *((name, ctypes.c_void_p) for name in ("token_ids", "versions", "logprobs", "drawn_logprobs")),
        *((name, ctypes.c_int64) for name in ("T", "version")),
    )

    @classmethod
    def of(cls, ledger: Ledger, version: int) -> "Columns":
        """`version`: of the weights that draw."""
        by_row = (ledger.temperature_B, ledger.top_k_B, ledger.seed_B, ledger.limit_B, ledger.count_B)
        drawn = (ledger.token_ids_BT, ledger.versions_BT, ledger.logprobs_BT, ledger.drawn_logprobs_BT)
        tables = (table.ctypes.data if isinstance(table, np.ndarray) else table.data_ptr() for table in drawn)
        return cls(*(column.ctypes.data for column in by_row), *tables, ledger.versions_BT.shape[1], version)


@cache
def library() -> ctypes.CDLL | None:
    """law.c as it was compiled at installation; None where it was not, or this processor cannot run it."""
    if (loaded := compiled("groupthink.rollout._law")) is None:
        return None
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    loaded.groupthink_draw.argtypes = (pointer, number, number, pointer, number, pointer, pointer)
    return loaded if loaded.groupthink_can_run() else None


def can_draw(logits_BV: Tensor, ledger: Ledger) -> bool:
    """Whether law.c is there, and made for such logits and for how each row is to be drawn."""
    made_for = logits_BV.device.type == "cpu" and logits_BV.dtype == torch.float32 and logits_BV.stride(1) == 1
    return made_for and bool(ledger.simple_B[: len(logits_BV)].all()) and library() is not None


def draw(logits_BV: Tensor, ledger: Ledger, version: int) -> Tensor:
    """Draw a token for each of the first rows, and write them down in the ledger; gives their ids [B]."""
    found, (B, V) = library(), logits_BV.shape
    assert found is not None
    columns, scratch, drawn_B = (
        Columns.of(ledger, version),
        torch.empty(V + 7, **FLOATS),
        torch.empty(B, dtype=torch.int64, device="cpu"),
    )
    logits = logits_BV.data_ptr(), logits_BV.stride(0)
    found.groupthink_draw(ctypes.byref(columns), B, V, *logits, scratch.data_ptr(), drawn_B.data_ptr())
    return drawn_B
