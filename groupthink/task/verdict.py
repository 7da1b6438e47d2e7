"""What a task says of an answer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Verdict(right=True, extracted="x=2, x=3", note="right roots")"""

    right: bool | None  # None: nobody knows the right answer
    extracted: str | None  # the answer as it was understood; None: none could be read
    note: str = ""
