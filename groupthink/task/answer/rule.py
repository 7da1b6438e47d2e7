"""What a rule is: it says whether a text states the expected answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from groupthink.task.verdict import Verdict

MAX_CHARS = 20_000  # of an expected answer or of a text; longer ones are refused unread


class Rule(Protocol):
    """Compares an expected answer with what a model wrote after `</think>`. Any thread may call it."""

    def __call__(self, expected: str, text: str) -> Verdict: ...

    def many(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        """A verdict for each `(expected, text)`, in order, as many at a time as the rule can."""
        ...

    def close(self) -> None:
        """Give back what the rule holds; it is not called afterwards."""
        ...


@dataclass(frozen=True, slots=True)
class PlainRule:
    """A rule that is a pure function, computed at once."""

    compare: Callable[[str, str], Verdict]

    def __call__(self, expected: str, text: str) -> Verdict:
        return too_long(expected, text) or self.compare(expected, text)

    def many(self, pairs: Sequence[tuple[str, str]]) -> list[Verdict]:
        return [self(expected, text) for expected, text in pairs]

    def close(self) -> None:
        """There is nothing to give back."""


def too_long(expected: str, text: str) -> Verdict | None:
    """The verdict on what is too long to be read; None where nothing is."""
    for what, length in (("answer", len(text)), ("expected answer", len(expected))):
        if length > MAX_CHARS:
            return Verdict(False, None, f"the {what} has {length:,} characters, and at most {MAX_CHARS:,} are read")
    return None
