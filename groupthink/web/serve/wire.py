"""What the endpoints answer, as OpenAI's API has it: whole, in chunks, or why not."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from groupthink.run.printable import storable
from groupthink.web.serve.characters import BEGUN
from groupthink.web.serve.transcript import Delta, Transcript, Written

LEAST = -9999.0
"""Stands for the logarithm of 0, which JSON cannot say."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of the answers to one request."""

    model: str
    chat: bool  # /v1/chat/completions; else /v1/completions
    logprobs: bool
    id: str = field(default_factory=lambda: secrets.token_hex(12))
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, transcripts: Sequence[Transcript], prompt_tokens: int) -> dict[str, Any]:
        """The answer in one piece."""
        choices = [self._choice(index, transcript) for index, transcript in enumerate(transcripts)]
        return self._around("chat.completion", choices) | {"usage": usage(transcripts, prompt_tokens)}

    def opening(self, index: int) -> dict[str, Any]:
        """The first chunk of a response to a chat."""
        delta = {"role": "assistant", "content": ""}
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
        return self._around("chat.completion.chunk", [choice])

    def chunk(self, index: int, delta: Delta, finish: str | None) -> dict[str, Any]:
        """What is new of a response."""
        logprobs = self._logprobs(delta.tokens)
        if not self.chat:
            choice = {"index": index, "text": delta.answer, "logprobs": logprobs, "finish_reason": finish}
            return self._around("", [choice])
        told: dict[str, Any] = {}
        if delta.reasoning:
            told |= {"reasoning_content": delta.reasoning, "reasoning": delta.reasoning}
        if delta.answer:
            told["content"] = delta.answer
        choice = {"index": index, "delta": told, "logprobs": logprobs, "finish_reason": finish}
        return self._around("chat.completion.chunk", [choice])

    def last(self, transcripts: Sequence[Transcript], prompt_tokens: int) -> dict[str, Any]:
        """The chunk with the usage, after all others."""
        return self._around("chat.completion.chunk", []) | {"usage": usage(transcripts, prompt_tokens)}

    def _around(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"{'chatcmpl' if self.chat else 'cmpl'}-{self.id}",
            "object": kind if self.chat else "text_completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }

    def _choice(self, index: int, transcript: Transcript) -> dict[str, Any]:
        logprobs = self._logprobs(transcript.drawn)
        end = {"logprobs": logprobs, "finish_reason": transcript.finish}
        if not self.chat:
            return {"index": index, "text": transcript.answer, **end}
        reasoning = transcript.reasoning
        message = {"role": "assistant", "content": transcript.answer, "refusal": None}
        return {"index": index, "message": message | {"reasoning_content": reasoning, "reasoning": reasoning}, **end}

    def _logprobs(self, tokens: Sequence[Written]) -> dict[str, Any] | None:
        if not self.logprobs:
            return None
        if self.chat:
            return {"content": [_with_bytes(token) for token in tokens], "refusal": None}
        return {
            "tokens": [token.text for token in tokens],
            "token_logprobs": [max(token.token.logprob, LEAST) for token in tokens],
            "top_logprobs": [{text: max(logprob, LEAST) for text, logprob in token.likely} for token in tokens],
            "text_offset": [token.offset for token in tokens],
        }


def _with_bytes(token: Written) -> dict[str, Any]:
    likely = [_one(text, logprob) for text, logprob in token.likely]
    return _one(token.text, token.token.logprob) | {"top_logprobs": likely}


def _one(text: str, logprob: float) -> dict[str, Any]:
    """A token with its bytes, which are not told where it completes no characters."""
    there = bool(text) and BEGUN not in text
    return {"token": text, "logprob": max(logprob, LEAST), "bytes": list(text.encode()) if there else None}


def usage(transcripts: Sequence[Transcript], prompt_tokens: int) -> dict[str, Any]:
    """Tokens that were read and drawn; a prompt counts once for all of its responses."""
    drawn = sum(transcript.tokens for transcript in transcripts)
    reasoned = sum(transcript.reasoning_tokens for transcript in transcripts)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": drawn,
        "total_tokens": prompt_tokens + drawn,
        "completion_tokens_details": {"reasoning_tokens": reasoned},
    }


def failure(message: str, *, kind: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """An error, as clients of OpenAI's API read it."""
    said = {
        "message": storable(message),
        "type": kind,
        "param": None if param is None else storable(param),
        "code": code,
    }
    return {"error": said}


def model_card(name: str, created: int, context: float) -> dict[str, Any]:
    """An entry of /v1/models."""
    length = None if context == float("inf") else int(context)
    return {"id": name, "object": "model", "created": created, "owned_by": "groupthink", "max_model_len": length}
