"""From tokens to text as they come: whole characters only, and in the end the text of all tokens together.

A token may be a part of a character, and how a token reads may depend on the one before it (a space that is left out at
the beginning of a text). So text is decoded over a window of tokens, which begins some tokens before the first one that
has not been told, and at the beginning of a character.
"""

from collections.abc import Callable, Sequence

BEGUN = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character of which some tokens are still to come. (Or it is what the policy wrote.)"""

WINDOW = 16
"""Tokens at which a window is begun anew."""

LONGEST = 64
"""Tokens of a window, beyond which those that stand for nothing (an id without a name) are left out."""


class Characters:
    """The text of one response. `decode` gives the text of token ids."""

    def __init__(self, decode: Callable[[list[int]], str]):
        self._decode = decode
        self._ids: list[int] = []  # the window
        self._told = 0  # characters of its text that have been told
        self._whole = 0  # tokens of it after which, the last time, nothing was left to tell

    def add(self, token_ids: Sequence[int]) -> str:
        """The characters that these tokens complete."""
        self._ids += token_ids
        text = self._decode(self._ids)
        fresh = text[self._told :].rstrip(BEGUN)
        self._told += len(fresh)
        if fresh and self._told == len(text):
            if self._whole and len(self._ids) >= WINDOW:
                self._ids = self._ids[self._whole :]
                self._told = len(self._decode(self._ids))
            self._whole = len(self._ids)
        elif self._told == len(text) and len(self._ids) > LONGEST:
            del self._ids[-len(token_ids) :]
        return fresh

    def end(self) -> str:
        """What is left, where the response ended in the middle of a character."""
        rest = self._decode(self._ids)[self._told :]
        self._told += len(rest)
        return rest
