"""Rules that compare an answer with the one that is expected."""

import re
from typing import Protocol

from groupthink.nearest import nearest
from groupthink.task.verdict import Verdict

NAMES = ("exact", "number")


class Rule(Protocol):
    """Compares what a model wrote after `</think>` with what is expected."""

    def __call__(self, expected: str, text: str) -> Verdict: ...

    def close(self) -> None: ...


class Exact:
    """The same text, but for spaces at its ends."""

    def __call__(self, expected: str, text: str) -> Verdict:
        return Verdict(text.strip() == expected.strip(), text.strip())

    def close(self) -> None:
        pass


class Number:
    """The same number; the last one in the text counts."""

    def __call__(self, expected: str, text: str) -> Verdict:
        found = re.findall(r"-?\d[\d,]*(?:\.\d+)?", text[-2_000:])
        if not found:
            return Verdict(False, None, "no number could be read")
        right = float(found[-1].replace(",", "")) == float(expected.replace(",", ""))
        return Verdict(right, found[-1])

    def close(self) -> None:
        pass


def open_rule(name: str) -> Rule:
    """The rule called `name`. Raises ValueError where there is none."""
    if name not in NAMES:
        raise ValueError(f"no rule is called {name!r}: did you mean {nearest(name, NAMES)}?")
    return Exact() if name == "exact" else Number()
