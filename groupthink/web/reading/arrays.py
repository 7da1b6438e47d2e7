"""Columns of pyarrow as numpy has them, and back, straight from their memory.

pyarrow's own way there imports pandas first, where that is installed: it takes longer than to read a hundred files.
"""

from typing import Any

import numpy as np
import pyarrow as pa


def array_of(table: pa.Table, name: str) -> Any:
    """A column in one piece."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def numbers_of(array: pa.Array) -> np.ndarray:
    """Whole or floating numbers; where some are null, all are floating, and those NaN."""
    kind = np.dtype(f"{'f' if pa.types.is_floating(array.type) else 'i'}{array.type.bit_width // 8}")
    if not len(array):
        return np.zeros(0, kind)
    values = np.frombuffer(array.buffers()[1], kind, len(array) + array.offset)[array.offset :]
    return np.where(_bits(array, 0), values, np.nan) if array.null_count else values


def flags_of(array: pa.Array) -> np.ndarray:
    """Booleans; those that are null are False."""
    if not len(array):
        return np.zeros(0, bool)
    return _bits(array, 1) & _bits(array, 0) if array.null_count else _bits(array, 1)


def places(of: np.ndarray) -> pa.Array:
    """Whole numbers, as pyarrow takes rows by them."""
    return pa.Array.from_buffers(pa.int64(), len(of), [None, pa.py_buffer(of.astype(np.int64))])


def _bits(array: pa.Array, buffer: int) -> np.ndarray:
    held = np.frombuffer(array.buffers()[buffer], np.uint8)
    return np.unpackbits(held, count=len(array) + array.offset, bitorder="little")[array.offset :].astype(bool)
