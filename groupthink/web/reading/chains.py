"""The chain of thought in a response, as the run's judge reads it: after what the prompt has opened of it."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from groupthink import chain
from groupthink.chain import OPEN, Chain, read_chain
from groupthink.web.reading.numbers import cut
from groupthink.web.reading.pieces import decoded
from groupthink.web.reading.rows import read_rows
from groupthink.web.reading.settings import recipe_of

ENDING = 64
"""Tokens at the end of a prompt that can hold what it opens."""


def opening_of(place: Path, prompt_ids: list[int]) -> str:
    """What a prompt has written of the chain of thought: nothing, `<think>` or `<think></think>` (see `read_chain`).

    Read from the prompt's last tokens; without them, or a tokenizer, from what the recipe asks for.
    """
    ending = decoded(place, prompt_ids[-ENDING:]) if prompt_ids else None
    if ending is None:
        return OPEN if _opens(place) else ""
    return chain.opening_of(ending)


def opening_at(place: Path, step: int | None) -> str:
    """What the prompts of a step have written of the chain of thought: it is the same of all of them."""
    ids: list[Any] = []
    with suppress(LookupError, ValueError):  # the step's file is gone, or damaged
        ids = [] if step is None else read_rows(place, step, ("prompt_ids",)).tokens("prompt_ids")
    return opening_of(place, ids[0].tolist() if ids and ids[0] is not None else [])


def chain_of(text: str, opening: str) -> Chain:
    """Reasoning and answer of a response."""
    return read_chain(text, opening=opening)


def asked(prompt: str) -> str | list[dict[str, Any]]:
    """A prompt as a run stores it: its text, or its messages."""
    if not prompt.startswith("["):
        return prompt
    try:
        found = json.loads(prompt)
    except (ValueError, RecursionError):
        return prompt
    messages = isinstance(found, list) and found and all(isinstance(one, dict) and "role" in one for one in found)
    return found if messages else prompt


def excerpt(prompt: str, most: int) -> str:
    """The beginning of what is asked; of messages, of the last."""
    found = asked(prompt)
    return cut(found if isinstance(found, str) else str(found[-1].get("content", "")), most)


def _opens(place: Path) -> bool:
    try:
        return recipe_of(place).chat.open_think
    except (LookupError, ValueError, OSError):
        return False
