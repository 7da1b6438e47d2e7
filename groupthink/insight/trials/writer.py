"""Texts made into responses, as long in tokens as if the policy had written them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from groupthink.insight.trials.cases import MOST_CHARACTERS
from groupthink.recipe import Recipe
from groupthink.records import Prompt, Response
from groupthink.task.context import leave_out_long

if TYPE_CHECKING:
    from groupthink.model.chat import Chat

BYTES_OF_A_TOKEN = 4
"""Where there is no tokenizer: about as many as English has in large vocabularies."""

LONGEST_TOKEN = 128
"""Characters, likewise: the longest tokens of large vocabularies are as many blanks."""

TELLING_CHARACTERS = 32
"""Of a text, so many for each token that is wanted are read: more cannot matter, and a million take their time."""


class Writer:
    """Writes for one recipe. `chat`: with the model's tokenizer; None where that cannot be had: lengths are estimates.

    `context`: the tokens that the model takes at most; None: no bound is known.

    `opening` is what a prompt has written of the chain of thought.
    """

    def __init__(self, chat: "Chat | None", max_tokens: int, context: int | None = None):
        self.chat, self.max_tokens, self.context = chat, max_tokens, context
        self.tokenizer = None if chat is None else chat.tokenizer
        self.opening = "" if chat is None else chat.opening

    @property
    def longest(self) -> int:
        """Characters that the longest response can have: all of it the longest word of the vocabulary."""
        token = LONGEST_TOKEN
        if self.tokenizer is not None:
            control = {added.content for added in self.tokenizer.added_tokens_decoder.values() if added.special}
            token = max(map(len, self.tokenizer.get_vocab().keys() - control))
        return min(token * self.max_tokens, MOST_CHARACTERS)

    def prompt_ids(self, prompt: Prompt) -> np.ndarray:
        """Token ids of a prompt; none without a tokenizer."""
        return np.zeros(0, np.int64) if self.chat is None else self.chat.encode(prompt)

    def leave_out_long(self, task: Any) -> list[str]:
        """Leave out of a task the problems that a run would leave out, too, and give the ids of those of finite ones.

        Without a tokenizer none is. Raises ValueError where none is left.
        """
        return [] if self.chat is None else leave_out_long(task, self.chat.encode, self.context, self.max_tokens)

    def length(self, text: str) -> int:
        """Tokens of a text, or `max_tokens` where it has more."""
        return len(self._ids(text, self.max_tokens))

    def respond(self, text: str, finish: str = "stop", *, whole: bool = False) -> Response:
        """A response with this text. What is longer than `max_tokens` is cut, as the policy's is, unless `whole`."""
        token_ids = self._ids(text, self.max_tokens)
        if finish == "stop" and len(token_ids) < self.max_tokens:
            end = None if self.tokenizer is None else self.tokenizer.eos_token_id
            token_ids = [*token_ids, 0 if end is None else end]
        else:
            finish = "length"
            text = text if whole else self._text(text, token_ids)
        tokens = len(token_ids)
        logprobs = np.zeros(tokens, np.float32)
        return Response(
            token_ids_T=np.array(token_ids, np.int64),
            sampled_T=np.ones(tokens, bool),
            logprobs_T=logprobs,
            drawn_logprobs_T=logprobs,
            versions_T=np.zeros(tokens, np.int64),
            text=text,
            finish=finish,
            seed=0,
        )

    def rambling(self, tokens: int) -> str:
        """A text of at most so many tokens, and nearly as many, that says nothing and does not repeat itself."""
        if tokens < 1:
            return ""
        text = _rambling(TELLING_CHARACTERS * tokens)
        return self._text(text, self._ids(text, tokens))

    def _ids(self, text: str, most: int) -> list[int]:
        text = text[: TELLING_CHARACTERS * most].encode("utf-8", "replace").decode("utf-8")  # without lone surrogates
        if self.tokenizer is None:
            return [0] * min(most, -(-len(text.encode()) // BYTES_OF_A_TOKEN))
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False, truncation=True, max_length=most)
        return ids

    def _text(self, text: str, token_ids: list[int]) -> str:
        """As much of a text as these tokens hold."""
        if self.tokenizer is None:
            return text.encode("utf-8", "replace")[: BYTES_OF_A_TOKEN * len(token_ids)].decode("utf-8", "ignore")
        said: str = self.tokenizer.decode(token_ids, skip_special_tokens=False)
        return said


def open_writer(recipe: Recipe, tell: Callable[[str], None]) -> Writer:
    """With the tokenizer of the recipe's model. Where it cannot be had, `tell` hears why, and lengths are estimates.

    Raises ValueError where [chat] asks for what the model's chat template does not have.
    """
    from groupthink.model.chat import Chat  # imports torch
    from groupthink.model.loading import load_tokenizer, read_context

    try:
        tokenizer = load_tokenizer(recipe.model, trust_remote_code=recipe.trust_remote_code)
        context = read_context(recipe.model, trust_remote_code=recipe.trust_remote_code)
    except (OSError, ValueError) as error:
        tell(
            f"the tokenizer of {recipe.model} cannot be had ({str(error).partition(chr(10))[0]}): {BYTES_OF_A_TOKEN} "
            "bytes are taken for a token, and prompts for such as do not open <think>"
        )
        return Writer(None, recipe.rollout.max_tokens)
    return Writer(Chat(tokenizer, recipe.chat), recipe.rollout.max_tokens, context)


def _rambling(characters: int) -> str:
    words = ("first", "then", "again", "also", "still", "once", "here", "there", "now", "so", "well", "next", "maybe")
    said, length, turn = [], 0, 0
    while length < characters:
        # Three words that go round at different paces, so that runs of them do not come again soon.
        turn += 1
        line = f"{words[turn % 13]} {words[turn // 2 % 13]} {words[turn // 5 % 11]} I look at it {words[turn % 7]}."
        said.append(line)
        length += len(line) + 1
    return "\n".join(said)
