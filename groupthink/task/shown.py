"""Solutions that the rows of a data set show: chains of thought to imitate, in the forms in which they are published.

{"messages": [{"role": "user", ...}, {"role": "assistant", "reasoning_content": "2*3=6", "content": "x=2, x=3"}]}
{"prompt": ..., "completion": "<think>2*3=6</think>x=2, x=3"}, or a completion of messages
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from groupthink.chain import CLOSE, OPEN
from groupthink.records import Problem
from groupthink.task.columns import clean
from groupthink.task.messages import text_of
from groupthink.task.tables import Row

SHOWN = "_shown"
"""Of a problem's info: the solutions to it; the first is the one to imitate now."""

COLUMNS = ("messages", "completion")
"""Where rows have them."""


def split_chat(value: Any) -> tuple[Any, Any]:
    """What a chat asks, and the assistant's message that ends it, or None."""
    if not isinstance(value, list) or len(value) < 2:
        return value, None
    *asked, last = value
    return (asked, last) if isinstance(last, Mapping) and last.get("role") == "assistant" else (value, None)


def solution_of(row: Row, last: Any = None) -> str | None:
    """The solution that a row shows, as a response would be written: its completion, or else the message `last` that
    ends its chat; None where it has neither. Raises ValueError for messages that hold more than text.
    """
    said = row.get("completion") or last
    if isinstance(said, list):
        said = said[-1]
    text = _written(said) if isinstance(said, Mapping) else said
    return clean(text) if isinstance(text, str) and text.strip() else None


def _written(message: Mapping[str, Any]) -> str:
    """A message of the assistant's in one piece."""
    reasoning, content = message.get("reasoning_content"), text_of(message)
    return f"{OPEN}{reasoning}{CLOSE}{content}" if isinstance(reasoning, str) else content


def shows_solution(row: Row) -> bool:
    """Whether a row is of a form in which solutions are published."""
    return bool(row.get("completion")) or split_chat(row.get("messages"))[1] is not None


def in_turn(problem: Problem, epoch: int) -> Problem:
    """The problem with that of its solutions first whose turn it is."""
    shown = problem.info.get(SHOWN, ())
    if len(shown) < 2:
        return problem
    first = epoch % len(shown)
    return replace(problem, info={**problem.info, SHOWN: [*shown[first:], *shown[:first]]})
