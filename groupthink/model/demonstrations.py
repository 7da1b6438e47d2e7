"""Demonstrations as token ids: a prompt, and what of a response is left to write after it."""

from collections.abc import Sequence

import numpy as np

from groupthink.chain import CLOSE, OPEN
from groupthink.model.chat import Chat
from groupthink.records import Prompt

Demonstration = tuple[Prompt, str]
"""A prompt, and a response to imitate."""


def encode_demonstrations(chat: Chat, shown: Sequence[Demonstration]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Token ids of the prompts and of the responses, which end with the end of sequence.

    Where the prompt itself opens the reasoning, a response begins inside it; where it leaves it out, after it.
    """
    tokenizer = chat.tokenizer
    prompts = [chat.encode(prompt) for prompt, _ in shown]
    written = [_left_to_write(response, chat.opening) for _, response in shown]
    responses = [
        np.array([*tokenizer.encode(text, add_special_tokens=False), tokenizer.eos_token_id]) for text in written
    ]
    return prompts, responses


def _left_to_write(response: str, opening: str) -> str:
    """What of a demonstration comes after what the prompt has written of it."""
    return response.rpartition(CLOSE)[2] if opening == OPEN + CLOSE else response.removeprefix(opening)
