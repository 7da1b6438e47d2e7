"""A model opened to be asked: its words, its engine, and how much of it fits into memory."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from transformers import PreTrainedModel, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from groupthink.chain import CLOSE, OPEN
from groupthink.insight.plan.machine import free_memory
from groupthink.model.chat import Chat
from groupthink.model.loading import find_device, load_model, load_tokenizer
from groupthink.model.threads import find_processes, is_small
from groupthink.recipe import Recipe
from groupthink.rollout.decoder import Unbounded
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.stage.evaluate import precision_of, recipe_of
from groupthink.web.serve.lane import Lane
from groupthink.web.serve.running import Running

SEQUENCES = 128
"""Responses that are drawn side by side, at most."""

TOKENS = 8192
"""Tokens of a response where nobody says how many, at most."""

MOST_TOKENS = 131_072
"""Tokens of a response that may be asked for, where a model's context has no end."""

SHARE = 0.5
"""Of the free memory, for keys and values: they are copied where they grow."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that can be asked."""

    name: str
    recipe: Recipe  # of the run that it comes from, or else the default one
    chat: Chat
    engine: TorchEngine
    decode: Callable[[list[int]], str]  # the text of token ids, special tokens included
    ends_tag: Callable[[int], bool]  # whether the tag of a chain of thought may end in a token

    def max_tokens(self, room: float, wanted: int | None) -> int:
        """How many tokens a response may have, of which there is room for so many."""
        return int(min(room, MOST_TOKENS if wanted else TOKENS, wanted or TOKENS))

    def run(self, models: int = 1) -> Running:
        """What draws from it for many at once; to be started. A small model on a CPU has a lane for each core.

        `models`: that may be open beside each other, and share what memory is free.
        """
        first, longest = self.engine, int(min(self.engine.context, MOST_TOKENS))
        model, count = first.model, find_processes(self.engine.model)
        others = [
            TorchEngine(
                model,
                self.chat.tokenizer,
                decoder=type(first.decoder)(model),  # type: ignore[call-arg]
                max_sequences=SEQUENCES,
                threads=first.threads,
            )
            for _ in range(count - 1)
        ]
        free = free_memory(first.device.type) if isinstance(first.decoder, Unbounded) else None
        if free is None:  # a decoder with bounds sees to its memory itself
            return Running([Lane(engine, longest) for engine in (first, *others)])
        of_a_token = _bytes_of_a_token(model)
        return Running(
            [Lane(engine, longest, of_a_token, SHARE * free / models / count) for engine in (first, *others)]
        )


def _decoding(tokenizer: PreTrainedTokenizerBase) -> Callable[[list[int]], str]:
    """It is asked for every token, so without the detours where there is nothing to be found on them."""
    plain = (
        isinstance(tokenizer, PreTrainedTokenizerFast) and type(tokenizer)._decode is PreTrainedTokenizerFast._decode
    )
    if plain and not tokenizer.clean_up_tokenization_spaces:
        return partial(tokenizer.backend_tokenizer.decode, skip_special_tokens=False)
    return partial(tokenizer.decode, skip_special_tokens=False)


def _ends_tag(decode: Callable[[list[int]], str]) -> Callable[[int], bool]:
    """A tag ends with a sign that the token which completes it has by itself, too."""
    assert OPEN[-1] == CLOSE[-1]
    return cache(lambda token_id: OPEN[-1] in decode([token_id]))


def _bytes_of_a_token(model: PreTrainedModel) -> int:
    """Its keys and values in all layers."""
    config = model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return 2 * config.num_hidden_layers * heads * size * model.dtype.itemsize


def open_model(name: str, *, trust_remote_code: bool = False) -> Opened:
    """Open a model as `groupthink eval` does: one that came from a run is asked in the words that it was trained with.

    `name`: "nano", a run, a checkpoint, a local folder or a hub id. Raises ValueError or OSError for what is not there.
    """
    recipe, device = recipe_of(name), find_device()
    tokenizer = load_tokenizer(name, trust_remote_code=trust_remote_code)
    chat = Chat(tokenizer, recipe.chat)
    dtype = precision_of(name, recipe, device, trust_remote_code=trust_remote_code)
    model = load_model(name, device=device, dtype=dtype, trust_remote_code=trust_remote_code)
    engine = TorchEngine(model, tokenizer, max_sequences=SEQUENCES, threads=1 if is_small(model) else None)
    decode = _decoding(tokenizer)
    return Opened(name, recipe, chat, engine, decode, _ends_tag(decode))
