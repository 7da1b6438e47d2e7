"""Stop strings, found over the borders of tokens; nothing of one is told."""

from collections.abc import Sequence


class Stops:
    """The text of one response up to the first of its stop strings.

    The first is the one that is complete first; of those that end at one place, the longest.
    """

    def __init__(self, stops: Sequence[str]):
        self._stops = tuple(stops)
        self._held = ""  # the end of the text, where a stop string may have begun
        self.stopped = False

    def add(self, text: str) -> str:
        """What of the text so far can be told now."""
        if self.stopped or not self._stops:
            return "" if self.stopped else text
        text = self._held + text
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        kept = max(begun(text, stop) for stop in self._stops)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def end(self) -> str:
        """What is left, where the response ended before a stop string was complete."""
        rest, self._held = self._held, ""
        return rest


def begun(text: str, wanted: str) -> int:
    """How many characters at the end of `text` may be the beginning of `wanted`, which is not in it.

    >>> begun("so </th", "</think>")
    4
    """
    start = max(0, len(text) - len(wanted) + 1)
    while (start := text.find(wanted[0], start)) >= 0:
        if wanted.startswith(text[start:]):
            return len(text) - start
        start += 1
    return 0
