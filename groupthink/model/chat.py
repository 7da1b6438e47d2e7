"""From a problem's prompt to token ids, and the tokens that end a response."""

import re
from collections.abc import Iterator

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.chain import OPEN
from groupthink.records import Message

PLAIN = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process is enclosed within <think> </think> tags, and the answer follows it, i.e., <think> reasoning process here "
    "</think> answer here.\n"
)
"""The prompt of DeepSeek-R1-Zero (arXiv 2501.12948, table 1), for models that have no chat template."""


def opens_thinking(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the prompt itself ends with `<think>`, so that responses start inside the reasoning."""
    return tokenizer.decode(encode_prompt(tokenizer, "?")).rstrip().endswith(OPEN)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: str | tuple[Message, ...]) -> np.ndarray:
    """Token ids, int64, of a prompt that the model is to answer.

    The tokenizer's chat template is used where there is one, else R1-Zero's plain "User: ... Assistant:".
    Control tokens that a message spells out ("<|im_end|>") are encoded as the text that they are.
    """
    messages = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt
    contents = [message["content"] for message in messages]
    control = [token for token in _control_tokens(tokenizer) if any(token in content for content in contents)]
    if not control:
        return np.asarray(
            tokenizer.encode(_render(tokenizer, messages), add_special_tokens=_plain(tokenizer)), np.int64
        )
    # The template is rendered around placeholders, so that what stands in a message can be encoded
    # apart from what the template says.
    marked = tuple({**message, "content": f"\ue000{i}\ue001"} for i, message in enumerate(messages))
    token_ids: list[int] = tokenizer.encode("", add_special_tokens=True) if _plain(tokenizer) else []
    for text, is_content in _alternate(_render(tokenizer, marked), contents):
        token_ids += tokenizer.encode(text, add_special_tokens=False, split_special_tokens=is_content)
    return np.asarray(token_ids, np.int64)


def stop_ids(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> frozenset[int]:
    """The tokens that end a response, as tokenizer, model and generation settings name them."""
    found: set[int] = set()
    for named in (
        tokenizer.eos_token_id,
        getattr(model.config, "eos_token_id", None),
        getattr(model.generation_config, "eos_token_id", None),
    ):
        found.update([] if named is None else [named] if isinstance(named, int) else named)
    return frozenset(found)


def _plain(tokenizer: PreTrainedTokenizerBase) -> bool:
    return tokenizer.chat_template is None


def _render(tokenizer: PreTrainedTokenizerBase, messages: tuple[Message, ...]) -> str:
    if not _plain(tokenizer):
        return tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
    turns = [f"{message['role'].capitalize()}: {message['content']}\n" for message in messages]
    return PLAIN + "".join(turns) + "Assistant:"


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]


def _alternate(rendered: str, contents: list[str]) -> Iterator[tuple[str, bool]]:
    """The pieces of `rendered` in order, each with whether it is a message's content."""
    for i, piece in enumerate(re.split("\ue000(\\d+)\ue001", rendered)):
        text, is_content = (contents[int(piece)], True) if i % 2 else (piece, False)
        if text:
            yield text, is_content
