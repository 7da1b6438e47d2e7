"""One response as it is being written: its tokens become reasoning and answer, up to where it ends or is stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import NamedTuple

from groupthink.chain import CLOSE, OPEN
from groupthink.web.serve.characters import Characters
from groupthink.web.serve.split import Split
from groupthink.web.serve.stops import Stops

LENGTH, STOP = "length", "stop"


class Token(NamedTuple):
    """A token that was drawn: Token(id=41, logprob=-0.3, likely=[(41, -0.3), (12, -1.9)])."""

    id: int
    logprob: float  # nats, under softmax of logits over temperature (of a greedy response: of logits)
    likely: Sequence[tuple[int, float]] = ()  # the likeliest at this place, where that was asked for


@dataclass(frozen=True, slots=True)
class Piece:
    """New tokens of one response, and how it ended, if it has."""

    response: int  # its place among those of its request
    tokens: Sequence[Token]
    finish: str | None = None  # stop: the policy ended it, and its last token says so; length: it was cut


@dataclass(frozen=True, slots=True)
class Written:
    """A token in its response: Written(Token(...), text=" x", offset=14, likely=[(" x", -0.3), (" y", -1.9)]).

    Of a character that several tokens make together the last one has the text, and the others have none. All texts
    together are the response, as it was before it was stopped.
    """

    token: Token
    text: str
    offset: int  # characters of the response before it
    likely: Sequence[tuple[str, float]]  # what the likeliest would have been here


@dataclass(slots=True)
class Delta:
    """What a piece adds to a response, in whole characters, and how that ended, if it has."""

    reasoning: str = ""
    answer: str = ""
    tokens: list[Written] = field(default_factory=list)  # without the one that ends a response
    finish: str | None = None

    def __bool__(self) -> bool:
        return bool(self.reasoning or self.answer or self.tokens)


class Transcript:
    """All that is known of a response so far.

    `decode` gives the text of token ids. `opening`: what the prompt has written of the chain, as `read_chain` takes it;
    None: the text is one piece, as it stands, and counts as answer. What comes of tokens does not depend on how they
    were handed over: they are gone through one by one, and each is told with what it says (`drawn`).

    `ends`: whether a tag may end in a token. Where it is given, tokens are not told, and those in which none can end
    are read together, in a small part of the time.
    """

    def __init__(
        self,
        decode: Callable[[list[int]], str],
        opening: str | None,
        stops: Sequence[str] = (),
        ends: Callable[[int], bool] | None = None,
    ):
        self._characters, self._stops = Characters(decode), Stops(stops)
        self._ends = None if stops else ends  # where a stop string ends has to be known by the token
        self._split = None if opening is None else Split(opening)
        self._thinks = opening != OPEN + CLOSE
        self.reasoning_parts: list[str] = []
        self.answer_parts: list[str] = []
        self.drawn: list[Written] = []
        self._last: list[Written] = []  # the last token, where it has begun a character
        self._length = 0  # characters of all tokens
        self.tokens = 0  # that were drawn for it, its end included
        self.reasoning_tokens = 0  # of these, tags included
        self.finish: str | None = None

    @property
    def reasoning(self) -> str | None:
        """None where there is none."""
        reasoned = self._split is not None and self._split.reasoned and self._thinks
        return "".join(self.reasoning_parts) if reasoned else None

    @property
    def answer(self) -> str:
        """Empty where there is none."""
        return "".join(self.answer_parts)

    @property
    def stopped(self) -> bool:
        """Whether it has met a stop string, so that no more of it is wanted."""
        return self._stops.stopped

    def add(self, piece: Piece) -> Delta:
        """What a piece adds. After its end nothing is added."""
        delta = Delta()
        if self.finish is not None:
            return delta
        written = piece.tokens[:-1] if piece.finish == STOP else piece.tokens
        for run in self._runs(written):
            self.tokens += len(run)
            self._tell(self._stops.add(self._read(run, delta)), delta)
            if self._stops.stopped:
                self.finish = STOP
                break
        else:
            self.tokens += len(piece.tokens) - len(written)
            self.finish = piece.finish
        if self.finish is not None:
            self._end(delta)
            delta.finish = self.finish
        self.reasoning_parts.append(delta.reasoning)
        self.answer_parts.append(delta.answer)
        self.drawn += delta.tokens
        return delta

    def _runs(self, tokens: Sequence[Token]) -> list[Sequence[Token]]:
        """What is read together: a token by itself, or all that stand between two in which a tag may end."""
        if self._ends is None:
            return [[token] for token in tokens]
        ends = [] if self._split is None else [at for at, token in enumerate(tokens) if self._ends(token.id)]
        borders = sorted({0, *ends, *(at + 1 for at in ends), len(tokens)})
        return [tokens[start:end] for start, end in pairwise(borders)]

    def _read(self, run: Sequence[Token], delta: Delta) -> str:
        """The characters that tokens complete."""
        if self._ends is not None:
            return self._characters.add([token.id for token in run])
        (token,) = run
        likely = [(self._characters.reading(id), logprob) for id, logprob in token.likely]
        text = self._characters.add([token.id])
        written = Written(token, text, self._length, likely)
        self._length += len(text)
        pending = self._characters.pending  # then it may be the last, and what is left at the end belongs to it
        delta.tokens += self._last if pending else [*self._last, written]
        self._last = [written] if pending else []
        return text

    def _tell(self, text: str, delta: Delta) -> None:
        if self._split is None:
            delta.answer += text
            return
        reasoned = self._split.reasons
        reasoning, answer = self._split.add(text)
        delta.reasoning += reasoning
        delta.answer += answer
        if reasoned or self._split.reasons:
            self.reasoning_tokens = self.tokens

    def _end(self, delta: Delta) -> None:
        """Tell what was held back."""
        rest = self._characters.end()
        delta.tokens += [replace(one, text=one.text + rest) for one in self._last]
        if not self._stops.stopped:
            self._tell(self._stops.add(rest), delta)
            self._tell(self._stops.end(), delta)
            self.finish = STOP if self._stops.stopped else self.finish
        if self._split is not None:
            reasoning, answer = self._split.end()
            delta.reasoning += reasoning
            delta.answer += answer
