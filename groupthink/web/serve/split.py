"""Reasoning and answer told apart while a response is being written.

    Sure: <think>2*3=6</think> x=2, x=3
          `--- reasoning ---' `answer-'

Of a well-formed chain the parts are those that `chain.read_chain` finds. A chain that is never closed has no answer, a
text without tags no reasoning. What has been told cannot be taken back, so where tags come again, or a chain is closed
that was never opened, the first pair counts, and all other tags are text.
"""

from groupthink.chain import CLOSE, OPEN
from groupthink.web.serve.stops import begun


class Split:
    """The parts of one response. `opening`: what the prompt has written of the chain, as `read_chain` takes it."""

    def __init__(self, opening: str = ""):
        self.reasons = opening == OPEN  # what comes now is reasoning
        self.reasoned = bool(opening)  # the chain has been opened, by the prompt or by the response
        self._again = self.reasons  # a response may open once more what its prompt has opened
        self._held = ""  # the end of the text, where a tag may have begun
        self._blank = ""  # blanks at the end of the answer, which count where more of it follows
        self._answered = False

    def add(self, text: str) -> tuple[str, str]:
        """What these characters add to the reasoning and to the answer."""
        text, self._held = self._held + text, ""
        reasoning = answer = ""
        rest: str | None = text
        while rest is not None:
            if self.reasons:
                told, rest = self._reasoning(rest)
                reasoning += told
            else:
                told, rest = self._answer(rest)
                answer += told
        return reasoning, answer

    def end(self) -> tuple[str, str]:
        """What is left."""
        rest, self._held = self._held, ""
        return (rest, "") if self.reasons else ("", self._worth_telling(rest))

    def _reasoning(self, text: str) -> tuple[str, str | None]:
        """What of `text` is reasoning, and what follows where it is closed."""
        if self._again:
            lead = text.lstrip()
            if lead.startswith(OPEN):
                text, self._again = lead.removeprefix(OPEN), False
            elif OPEN.startswith(lead):
                self._held = text
                return "", None
            self._again = False
        before, closed, after = text.partition(CLOSE)
        if closed:
            self.reasons = False
            return before, after
        return self._all_but(before, CLOSE), None

    def _answer(self, text: str) -> tuple[str, str | None]:
        """What of `text` is answer, and what follows where reasoning is opened in it."""
        if self.reasoned:
            return self._worth_telling(text), None
        before, opened, after = text.partition(OPEN)
        if opened:
            self.reasons = self.reasoned = True
            return self._worth_telling(before), after
        return self._worth_telling(self._all_but(before, OPEN)), None

    def _all_but(self, text: str, tag: str) -> str:
        """`text` without its end where a tag may have begun, which is held."""
        kept = begun(text, tag)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def _worth_telling(self, text: str) -> str:
        """An answer has no blanks at its ends."""
        text = self._blank + text
        if not self._answered:
            text = text.lstrip()
        told = text.rstrip()
        self._blank = text[len(told) :] if told or self._answered else ""
        self._answered = self._answered or bool(told)
        return told
