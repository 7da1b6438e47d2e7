"""From tokens to text as they come: whole characters only, and in the end the text of all tokens together.

A token may be a part of a character, and how a token reads may depend on the one before it (a space that is left out at
the beginning of a text). So text is decoded over a window of tokens, which begins some tokens before the first one that
has not been told, and at the beginning of a character.
"""

from collections.abc import Callable, Sequence

BEGUN = "\N{REPLACEMENT CHARACTER}"
"""What stands for a character of which some tokens are still to come. (Or it is what the policy wrote.)"""

WINDOW = 16
"""Tokens at which a window is begun anew, and for which at most a character is waited for."""

BYTES = 4
"""Of a character, at most."""

LONGEST = 64
"""Tokens of a window, beyond which those that stand for nothing (an id without a name) are left out."""


class Characters:
    """The text of one response. `decode` gives the text of token ids."""

    def __init__(self, decode: Callable[[list[int]], str]):
        self._decode = decode
        self._ids: list[int] = []  # the window
        self._told = 0  # characters of its text that have been told
        self._whole = 0  # tokens of it after which, the last time, nothing was left to tell
        self.pending = False  # whether a character has begun that is not told yet

    def add(self, token_ids: Sequence[int]) -> str:
        """The characters that these tokens complete."""
        self._ids += token_ids
        text = self._decode(self._ids)
        fresh = text[self._told :].rstrip(BEGUN)
        if self._told + len(fresh) < len(text):
            fresh = self._before_the_last() or fresh
        self._told += len(fresh)
        self.pending = self._told < len(text)
        if self.pending:
            return fresh + (self._unreadable(text) if len(self._ids) - self._whole >= WINDOW else "")
        if fresh:
            if self._whole and len(self._ids) >= WINDOW:
                self._ids = self._ids[self._whole :]
                self._told = len(self._decode(self._ids))
            self._whole = len(self._ids)
        elif len(self._ids) > LONGEST:
            del self._ids[-len(token_ids) :]
        return fresh

    def reading(self, token_id: int) -> str:
        """What would be told, and what is still begun, if this token came next."""
        return self._decode([*self._ids, token_id])[self._told :]

    def end(self) -> str:
        """What is left, where the response ended in the middle of a character."""
        rest = self._decode(self._ids)[self._told :]
        self._told += len(rest)
        self.pending = False
        return rest

    def _before_the_last(self) -> str:
        """What can be read, and is not told, before a character that has begun.

        Some tokenizers decode a row of bytes all together or not at all: one that is missing hides those before it.
        """
        for last in range(1, min(BYTES, len(self._ids))):
            text = self._decode(self._ids[:-last])
            if len(text) > self._told and not text.endswith(BEGUN):
                self._whole = len(self._ids) - last
                return text[self._told :]
        return ""

    def _unreadable(self, text: str) -> str:
        """What has been waited for in vain, up to where a character may have begun; there the window begins anew."""
        ids, decode = self._ids, self._decode
        cuts = range(len(ids) - 1, len(ids) - 1 - BYTES, -1)
        apart = (cut for cut in cuts if decode(ids[:cut]) + decode(ids[cut:]) == text)
        self._ids, self._whole = ids[next(apart, len(ids) - WINDOW // 2) :], 0
        size = len(decode(self._ids))
        kept = min(size, len(text) - self._told)
        told = text[self._told : len(text) - kept]
        self._told, self.pending = size - kept, kept > 0
        return told
