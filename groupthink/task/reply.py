"""A task that answers what the policy wrote, as a tool, a user or an opponent does."""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from groupthink.records import Message, Problem

Said = str | tuple[Message, ...]
"""A reply: text that stands in the sequence as it is, or messages, laid out by the chat template of the model."""

Reply = Callable[[Problem, Sequence[str]], Said | None]
"""What `Replying.reply` is."""


@runtime_checkable
class Replying(Protocol):
    """What a task has, beside the rest, where a response may have several turns."""

    def reply(self, problem: Problem, turns: Sequence[str]) -> Said | None:
        """What follows the policy's last turn; None: the response is finished.

        `turns` are the texts so far: the policy's, without the token that ended each, and the replies in between. (In
        one text a task could not tell its own words from those that the policy put into its mouth.) A reply of text
        stands in the sequence as it is, so it brings what lines or template lie between two turns; control tokens that
        it spells are encoded as such: take them out of what others wrote. In messages they are text. A pure function,
        or else a run cannot be replayed.
        """
        ...


def reply_of(task: object) -> Reply | None:
    """The task's `reply`; None where its problems are answered in one turn."""
    return task.reply if isinstance(task, Replying) else None
