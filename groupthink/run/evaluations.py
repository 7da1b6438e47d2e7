"""The rows of an evaluation: whether a file's columns are those that runs write. Anybody may have written it."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

NEEDED = ("kind", "problem")
"""Columns of which every row has a value."""

_TEXT, _FLAG = pa.types.is_string, pa.types.is_boolean


def _texts(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) and (_TEXT(kind.value_type) or pa.types.is_null(kind.value_type))  # all of them empty


_KINDS: dict[str, Callable[[pa.DataType], bool]] = {
    **dict.fromkeys(("kind", "problem", "prompt", "expected", "text", "extracted", "finish"), _TEXT),
    **dict.fromkeys(("right", "lenient", "formed", "environment", "by_tests"), _FLAG),
    "length": pa.types.is_integer,
    "traits": _texts,
}


def require_evaluation(table: pa.Table, file: Path) -> None:
    """Raise ValueError where what was read of `file` is not what the responses of an evaluation have."""
    for name in table.column_names:
        kind, fits = table.schema.field(name).type, _KINDS.get(name)
        if fits is not None and not fits(kind) and not pa.types.is_null(kind):  # of which no row has one
            raise ValueError(f"{file} has a column {name} of type {kind}: it does not hold an evaluation")
    for name in NEEDED:
        if name not in table.column_names or table.column(name).null_count:
            raise ValueError(f"{file} does not say of each response its {name}: it does not hold an evaluation")
