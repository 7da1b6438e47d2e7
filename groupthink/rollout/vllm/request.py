"""A prompt that vLLM answers, and what has come of it so far: the handle that `submit` gives."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from groupthink.records import Response
from groupthink.rollout.engine import NoRoom, Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.vllm.pieces import Draw, Piece

LEAST, MOST = 0.01, 2.0
"""Temperatures between which vLLM draws as asked."""


class Worked(Protocol):
    """What a request needs of its engine."""

    tokenizer: PreTrainedTokenizerBase

    def advance(self) -> None:
        """Bring some request further, waiting for it where another process draws."""
        ...

    def watch(self, request: "VllmRequest") -> None:
        """Its tokens are to be told as they are drawn."""
        ...

    def drop(self, request: "VllmRequest") -> None:
        """What is unfinished of it is not wanted any more."""
        ...


@dataclass(eq=False, slots=True)
class Draft:
    """An unfinished response."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    told: int = 0  # tokens that the watcher has heard of


@dataclass(eq=False, slots=True)
class VllmRequest:
    """The responses to one prompt, on their way."""

    engine: Worked
    number: int
    prompt_ids: np.ndarray
    sampling: Sampling
    seed: int
    max_tokens: int  # what the sampling asks for, or what the context leaves
    responses: dict[int, Response] = field(default_factory=dict)
    drafts: dict[int, Draft] = field(default_factory=dict)
    cancelled: bool = False
    watched: bool = False
    fresh: deque[tuple[int, list[int]]] = field(default_factory=deque)  # drawn and not yet told to the watcher

    @property
    def done(self) -> bool:
        return self.cancelled or len(self.responses) == self.sampling.n

    @property
    def unfinished(self) -> list[int]:
        return [] if self.cancelled else [j for j in range(self.sampling.n) if j not in self.responses]

    def seed_of(self, j: int) -> int:
        return mix(self.seed, j)

    def draws(self) -> list[tuple[int, Draw]]:
        """What vLLM is asked for: its unfinished responses, and how each is drawn."""
        temperature = self.sampling.temperature
        return [(j, Draw(self.seed_of(j), self.max_tokens, temperature)) for j in self.unfinished]

    def start(self) -> None:
        """vLLM's process works whoever waits; within this process, work is done while a result is waited for."""

    def result(self) -> tuple[Response, ...]:
        while not self.done:
            self.engine.advance()
        if self.cancelled:
            raise RuntimeError("these responses were cancelled")
        return tuple(self.responses[j] for j in range(self.sampling.n))

    def cancel(self) -> None:
        if not self.done:
            self.engine.drop(self)
            self.cancelled = True

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        earlier = [(j, response.token_ids_T.tolist()) for j, response in sorted(self.responses.items())]
        for j, draft in sorted(self.drafts.items()):
            earlier += [(j, draft.token_ids.copy())] if draft.token_ids else []
            draft.told = len(draft.token_ids)
        self.fresh.clear()
        self.watched = True
        self.engine.watch(self)
        yield from earlier
        while self.fresh or not self.done:
            if self.fresh:
                yield self.fresh.popleft()
            else:
                self.engine.advance()

    def take(self, piece: Piece) -> None:
        """Take in new tokens. What comes for a cancelled request, or twice, is passed over."""
        j = piece.key[1]
        if j not in self.unfinished:
            return
        draft = self.drafts.setdefault(j, Draft())
        draft.token_ids += piece.token_ids
        draft.logprobs += piece.logprobs
        if self.watched and len(draft.token_ids) > draft.told:
            self.fresh.append((j, draft.token_ids[draft.told :]))
            draft.told = len(draft.token_ids)
        if piece.finish is not None:
            del self.drafts[j]
            self.responses[j] = self._response(j, draft, piece)

    def restart(self) -> None:
        """Its unfinished responses are drawn anew, by the same seeds; a watcher is not told twice."""
        for draft in self.drafts.values():
            draft.token_ids, draft.logprobs = [], []

    def _response(self, j: int, draft: Draft, piece: Piece) -> Response:
        logprobs_T = np.array(draft.logprobs, np.float32)
        versions_T = np.full(len(draft.token_ids), -1, np.int64)
        for version, start, end in piece.versions:
            versions_T[start:end] = version
        if not np.isfinite(logprobs_T).all():
            raise FloatingPointError(
                f"the model's logits are not finite under its weights of version {versions_T.max()}: they hold NaN or "
                "infinity, or overflow"
            )
        assert piece.finish in ("stop", "length") and (versions_T >= 0).all(), piece
        stopped = piece.finish == "stop"
        token_ids_T = np.array(draft.token_ids, np.int64)
        return Response(
            token_ids_T=token_ids_T,
            sampled_T=np.ones(len(token_ids_T), bool),
            logprobs_T=logprobs_T,
            # Greedy decoding draws from one token alone. Nothing else narrows the law: see `require_law`.
            drawn_logprobs_T=np.zeros_like(logprobs_T) if self.sampling.temperature == 0 else logprobs_T.copy(),
            versions_T=versions_T,
            text=self.tokenizer.decode(token_ids_T[:-1] if stopped else token_ids_T, skip_special_tokens=False),
            finish=piece.finish,
            seed=self.seed_of(j),
        )

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.engine.tokenizer


def require_law(temperature: float, top_p: float, top_k: int, table: str = "") -> None:
    """Refuse, by ValueError, a law that vLLM does not draw from, or whose whole log-probabilities it does not give."""
    if top_p != 1 or top_k != 0:
        raise ValueError(
            f"{table}top_p={top_p} and {table}top_k={top_k}: vLLM does not give the log-probabilities of the law that "
            "they narrow, which the learner moves: set top_p=1 and top_k=0, or rollout.engine='torch'"
        )
    if temperature != 0 and not LEAST <= temperature <= MOST:  # below it, vLLM takes LEAST without a word
        raise ValueError(
            f"{table}temperature is {temperature}: vLLM draws at 0 (greedy), or from {LEAST} to {MOST}; "
            "rollout.engine='torch' draws at any"
        )


def require_room(prompt_ids: np.ndarray, context: int) -> int:
    """Tokens that may follow a prompt. Raises ValueError where there are none, or no prompt."""
    if not len(prompt_ids):
        raise ValueError("the prompt has no tokens: give it at least one")
    if len(prompt_ids) >= context:
        raise NoRoom(f"the prompt has {len(prompt_ids)} tokens and the context {context}: shorten the prompt")
    return context - len(prompt_ids)
