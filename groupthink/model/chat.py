"""From a problem's prompt to token ids, and the tokens that end a response."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.chain import CLOSE, OPEN, opening_of
from groupthink.model.settings import MODEL, ON, PLAIN, ChatSettings
from groupthink.records import Message, Prompt

R1_ZERO = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process is enclosed within <think> </think> tags, and the answer follows it, i.e., <think> reasoning process here "
    "</think> answer here."
)
"""The first words of DeepSeek-R1-Zero's prompt (arXiv 2501.12948, table 1), for models that have no chat template."""

SPOKEN = "\ue002"
"""Stands for what the policy said, while the chat template is asked for what follows it."""

_PLAIN_TEMPLATE = (
    "{{{{ {first} }}}}"
    "{{% if messages[0].role == 'system' %}}{{{{ messages[0].content }}}}{{% set turns = messages[1:] %}}"
    "{{% else %}}{system}{{% set turns = messages %}}{{% endif %}}"
    "{{% for message in turns %}}{{{{ '\\n' ~ message.role.capitalize() ~ ': ' ~ message.content }}}}{{% endfor %}}"
    "{{% if add_generation_prompt %}}{{{{ '\\nAssistant:' ~ {ending} }}}}{{% endif %}}"
)
"""`_plain` in Jinja."""


class Chat:
    """In which words problems are put to a model: its tokenizer, and the settings of [chat].

    The tokenizer's chat template is used where there is one, unless the settings say otherwise, else R1-Zero's plain
    "User: ... Assistant:". Templates are run in transformers' sandbox: they come with models, and are not trusted.

    `opening` is what the prompt has written of the chain of thought, before which a response has its place: nothing,
    `<think>`, or `<think></think>` where thinking is switched off (see `chain.read_chain`).

    `is_plain`: whether it is R1-Zero's prompt, before which the tokenizer puts its own special tokens, if it has any.

    Raises ValueError for a template that is asked for and not there, a switch that the template does not look at, and
    a template that fails, or takes no system message.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, settings: ChatSettings | None = None):
        self.tokenizer, self.settings = tokenizer, settings or ChatSettings()
        self.is_plain = self.settings.template == PLAIN or tokenizer.chat_template is None
        self._require_template()
        begun = opening_of(self._templated(self._messages("?")))
        if self.settings.open_think and begun == OPEN + CLOSE:
            raise ValueError(
                "chat.open_think begins the reasoning, and the model's chat template has ended it by itself: set "
                'chat.thinking="on", or chat.open_think=false'
            )
        adds = self.settings.open_think and not begun
        self._ending = f"{' ' if self.is_plain else ''}{OPEN}\n" if adds else ""
        self.opening = OPEN if adds else begun

    def render(self, prompt: Prompt) -> str:
        """The words that the model is asked."""
        return self._rendered(self._messages(prompt))

    def encode(self, prompt: Prompt) -> np.ndarray:
        """Token ids, int64, of a prompt that the model is to answer.

        Control tokens that a message spells out ("<|im_end|>") are encoded as the text that they are.
        """
        messages = self._messages(prompt)
        contents = [message["content"] for message in messages]
        control = [token for token in _control_tokens(self.tokenizer) if any(token in text for text in contents)]
        if not control:
            text = self._rendered(messages)
            # (Not `verbose`: who is to answer sees to it that there is room, and says so itself.)
            return np.asarray(self.tokenizer.encode(text, add_special_tokens=self.is_plain, verbose=False), np.int64)
        # The template is rendered around placeholders, so that what stands in a message can be encoded
        # apart from what the template says.
        marked = tuple({**message, "content": f"\ue000{i}\ue001"} for i, message in enumerate(messages))
        token_ids: list[int] = self.tokenizer.encode("", add_special_tokens=True) if self.is_plain else []
        for text, is_content in _alternate(self._rendered(marked), contents):
            token_ids += self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=is_content)
        return np.asarray(token_ids, np.int64)

    def save(self, folder: Path) -> None:
        """Write the tokenizer, with a chat template: one that has none gets R1-Zero's words."""
        self.tokenizer.save_pretrained(folder)
        if self.tokenizer.chat_template is None:
            first = self.tokenizer.decode(self.tokenizer.encode("", add_special_tokens=True))
            words = {"first": json.dumps(first), "system": R1_ZERO, "ending": json.dumps(self._ending)}
            template = _PLAIN_TEMPLATE.format(**words)
            (folder / "chat_template.jinja").write_text(template, encoding="utf-8", newline="\n")

    def encode_reply(self, reply: str | Sequence[Message], ended: int) -> tuple[str, np.ndarray]:
        """A task's reply to a turn of the policy's: as text, and its token ids, int64. `ended` is the token that the
        policy ended its turn with.

        Text is taken as it is. Messages are laid out as the prompt is, with the opening of the policy's next turn.
        Control tokens that a message spells out are text.
        """
        if isinstance(reply, str):
            return reply, np.asarray(self.tokenizer.encode(reply, add_special_tokens=False), np.int64)
        marked: list[Message] = [{**message, "content": f"\ue000{i}\ue001"} for i, message in enumerate(reply)]
        text, token_ids = "", list[int]()
        contents = [message["content"] for message in reply]
        for piece, is_content in _alternate(self._between_turns(marked, ended), contents):
            text += piece
            token_ids += self.tokenizer.encode(piece, add_special_tokens=False, split_special_tokens=is_content)
        return text, np.asarray(token_ids, np.int64)

    def _between_turns(self, messages: Sequence[Message], ended: int) -> str:
        """What is put after a turn of the policy's that `messages` follow."""
        if self.is_plain:
            return "\n" + _turns(messages) + self._ending
        talk: tuple[Message, ...] = (
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": SPOKEN},
            *messages,
        )
        after = self._rendered(talk).rpartition(SPOKEN)[2]
        return after.removeprefix(self.tokenizer.decode([ended]))  # it stands in the sequence already

    def _messages(self, prompt: Prompt) -> tuple[Message, ...]:
        """The prompt as a chat, with what the recipe adds. A system message of the problem's own goes before ours."""
        system, instruction = self.settings.system, self.settings.instruction
        messages: tuple[Message, ...] = ({"role": "user", "content": prompt},) if isinstance(prompt, str) else prompt
        if instruction:
            *before, last = messages
            messages = (*before, {**last, "content": f"{last['content']}\n{instruction}"})
        if system and messages[0]["role"] != "system":
            messages = ({"role": "system", "content": system}, *messages)
        return messages

    def _rendered(self, messages: tuple[Message, ...]) -> str:
        return self._templated(messages) + self._ending

    def _templated(self, messages: tuple[Message, ...], **switches: bool) -> str:
        if self.is_plain:
            return _plain(messages)
        if not switches and self.settings.thinking != MODEL:
            switches = {"enable_thinking": self.settings.thinking == ON}
        try:
            return self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=True, **switches
            )
        except Exception as error:  # whatever a template does that nobody here has read
            said = str(error).partition("\n")[0]
            roles = ", ".join(message["role"] for message in messages)
            raise ValueError(
                f"the model's chat template fails on messages of {roles} ({type(error).__name__}: {said}): change what "
                'it is given, such as chat.system, or set chat.template="plain"'
            ) from error

    def _require_template(self) -> None:
        asked, thinking = self.settings.template, self.settings.thinking
        if self.is_plain and asked == MODEL:
            raise ValueError(
                'chat.template is "model", and the model has no chat template: set it to "plain", or leave it at "auto"'
            )
        if thinking == MODEL:
            return
        if self.is_plain:
            raise ValueError(
                f'chat.thinking is "{thinking}", and the model has no chat template that could be told so: leave it at '
                '"model"'
            )
        told_on, told_off = (self._templated(self._messages("?"), enable_thinking=on) for on in (True, False))
        if told_on == told_off:
            raise ValueError(
                f'chat.thinking is "{thinking}", and the model has a chat template that does not look at '
                'enable_thinking: leave it at "model"'
            )


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


def _plain(messages: tuple[Message, ...]) -> str:
    """R1-Zero's prompt; a system message that comes first stands in place of its first words."""
    system, turns = R1_ZERO, messages
    if messages[0]["role"] == "system":
        system, turns = messages[0]["content"], messages[1:]
    return f"{system}\n{_turns(turns)}"


def _turns(messages: Sequence[Message]) -> str:
    lines = [f"{message['role'].capitalize()}: {message['content']}" for message in messages]
    return "\n".join([*lines, "Assistant:"])


def _control_tokens(tokenizer: PreTrainedTokenizerBase) -> list[str]:
    return [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]


def _alternate(rendered: str, contents: list[str]) -> Iterator[tuple[str, bool]]:
    """The pieces of `rendered` in order, each with whether it is a message's content."""
    for i, piece in enumerate(re.split("\ue000(\\d+)\ue001", rendered)):
        text, is_content = (contents[int(piece)], True) if i % 2 else (piece, False)
        if text:
            yield text, is_content
