"""Whether what was read of a step's responses is what a run writes: anybody may have written it."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from groupthink.run.rollouts import KINDS
from groupthink.web.reading.arrays import array_of, flags_of, numbers_of

LISTS = frozenset(name for name, kind in KINDS.items() if pa.types.is_list(kind))
MAY_LACK = frozenset(("expected", "extracted", "learner_logprobs", "reference_logprobs", "entropies", "change"))
"""Columns in which a response may have nothing."""

ANEW = "it does not hold the responses of a step, or is damaged; a resume of the run makes it again"


def require_whole(table: pa.Table, asked: Iterable[str], file: Path) -> None:
    """Raise ValueError where `table`, which was read of `file`, lacks a column that was asked for, or values that every
    response has, or has more tokens of a response in one column than in another.
    """
    if missed := sorted({*asked} - {*table.column_names}):  # though the file says that it has them
        raise ValueError(f"{file} lacks its column {missed[0]}: {ANEW}")
    seen: tuple[str, np.ndarray] | None = None
    for name in table.column_names:
        column = table.column(name)
        missing = 0 if name in MAY_LACK else column.null_count
        if name in LISTS:
            lists = array_of(table, name)
            missing += lists.values.null_count
            lengths, there = np.diff(numbers_of(lists.offsets)), flags_of(lists.is_valid())
            if seen is not None and (lengths != seen[1])[there].any():
                raise ValueError(f"{file} has other numbers of tokens in its column {name} than in {seen[0]}: {ANEW}")
            if seen is None and name != "prompt_ids" and there.all():
                seen = name, lengths
        if missing:
            raise ValueError(f"{file} lacks {missing} values of its column {name}: {ANEW}")
