"""From a task's reply to the tokens that stand between two turns of the policy."""

import re
from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from groupthink.records import Message

SPOKEN = "\ue002"
"""Stands for what the policy said, while the chat template is asked for what follows it."""


def encode_reply(
    tokenizer: PreTrainedTokenizerBase, reply: str | Sequence[Message], ended: int
) -> tuple[str, np.ndarray]:
    """A reply as text, and its token ids, int64. `ended` is the token that the policy ended its turn with.

    Text is taken as it is. Messages are laid out by the chat template, with the opening of the policy's next turn, and
    by the plain "User: ... Assistant:" where there is none. Control tokens that a message spells out are text.
    """
    if isinstance(reply, str):
        return reply, np.array(tokenizer.encode(reply, add_special_tokens=False), np.int64)
    # The template is rendered around placeholders, so that what stands in a message is encoded apart from it.
    marked: list[Message] = [{**message, "content": f"\ue000{i}\ue001"} for i, message in enumerate(reply)]
    text, token_ids = "", list[int]()
    for i, piece in enumerate(re.split("\ue000(\\d+)\ue001", _laid_out(tokenizer, marked, ended))):
        is_content = i % 2 == 1
        said = reply[int(piece)]["content"] if is_content else piece
        text += said
        token_ids += tokenizer.encode(said, add_special_tokens=False, split_special_tokens=is_content)
    return text, np.array(token_ids, np.int64)


def _laid_out(tokenizer: PreTrainedTokenizerBase, messages: list[Message], ended: int) -> str:
    """What the template puts after a turn of the policy's that `messages` follow."""
    if tokenizer.chat_template is None:
        said = [f"\n{message['role'].capitalize()}: {message['content']}" for message in messages]
        return "".join(said) + "\nAssistant:"
    talk = [{"role": "user", "content": "?"}, {"role": "assistant", "content": SPOKEN}, *messages]
    rendered: str = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=True)
    after = rendered.rpartition(SPOKEN)[2]
    return after.removeprefix(tokenizer.decode([ended]))  # it stands in the sequence already
