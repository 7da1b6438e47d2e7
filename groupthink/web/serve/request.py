"""What the endpoints are asked: bodies of OpenAI's API, read into records and checked."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groupthink.records import Message
from groupthink.run.printable import storable
from groupthink.web.serve.fields import BadRequest, Fields

MOST_RESPONSES = 128
MOST_PROMPTS = 128
MOST_STOPS = 4
MOST_LIKELY = 20
COMPLETION_TOKENS = 16
"""Tokens of a completion where a request does not say how many, as OpenAI's API has it."""

ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

HARMLESS = (
    *("user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"),
    *("parallel_tool_calls", "prediction"),
)
"""What a server may ignore: no token depends on it."""

OF_MESSAGES = ("name", "reasoning", "reasoning_content", "refusal", "annotations")
"""What a message may bring along that is not shown to the model: templates leave out earlier reasoning."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What both endpoints are asked alike.

    Asked(model="nano", n=1, max_tokens=200, temperature=1.0, top_p=1.0, top_k=0, seed=None, stops=("END",),
          logprobs=True, likeliest=2, stream=True, include_usage=False)
    """

    model: str | None  # None: whichever is there
    n: int  # responses to each prompt
    max_tokens: int | None  # None: as many as there is room for
    temperature: float  # 0: greedy
    top_p: float
    top_k: int  # 0: off
    seed: int | None  # None: another one each time
    stops: tuple[str, ...]
    logprobs: bool
    likeliest: int  # how many of the likeliest tokens are told beside each that was drawn
    stream: bool
    include_usage: bool  # of a stream, in a chunk of its own at the end


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A body of /v1/chat/completions."""

    messages: tuple[Message, ...]
    asked: Asked


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A body of /v1/completions; prompts are texts or token ids."""

    prompts: tuple[str | tuple[int, ...], ...]
    asked: Asked


def read_chat(body: dict[str, Any]) -> ChatRequest:
    """Raises BadRequest for what cannot be had, or is not what the API says."""
    fields = Fields(body)
    messages = read_messages(fields.take("messages"))
    logprobs, likeliest = fields.flag("logprobs"), fields.whole("top_logprobs", None, 0, MOST_LIKELY)
    if likeliest is not None and not logprobs:
        raise BadRequest("top_logprobs are told beside logprobs: set logprobs to true, too", "top_logprobs")
    most = fields.whole("max_completion_tokens", None, 1)
    older = fields.whole("max_tokens", None, 1)
    for name, changes_nothing, why in CHAT_ONLY:
        fields.neutral(name, changes_nothing, why)
    asked = _asked(fields, older if most is None else most, logprobs, likeliest or 0)
    return ChatRequest(messages, asked)


def read_completion(body: dict[str, Any]) -> CompletionRequest:
    """Raises BadRequest for what cannot be had, or is not what the API says."""
    fields = Fields(body)
    prompts = _prompts(fields.take("prompt"))
    likeliest = fields.whole("logprobs", None, 0, MOST_LIKELY)
    max_tokens = fields.whole("max_tokens", COMPLETION_TOKENS, 1)
    n = body.get("n") or 1
    fields.neutral("best_of", lambda best: best == n, "all responses are told, so leave it out, or set it to n")
    fields.neutral("echo", lambda echo: echo is False, "the prompt is not repeated")
    fields.neutral("suffix", lambda suffix: suffix == "", "nothing is filled in before a text that follows")
    asked = _asked(fields, max_tokens, likeliest is not None, likeliest or 0)
    if len(prompts) * asked.n > MOST_RESPONSES:
        raise BadRequest(
            f"{len(prompts)} prompts with {asked.n} responses each are more than {MOST_RESPONSES}: ask for fewer at a "
            "time",
            "n",
        )
    return CompletionRequest(prompts, asked)


Neutral = tuple[str, Callable[[Any], bool], str]

CHAT_ONLY: tuple[Neutral, ...] = (
    ("tools", lambda tools: tools == [], "the model calls no tools"),
    ("functions", lambda functions: functions == [], "the model calls no functions"),
    ("tool_choice", lambda choice: choice in ("none", "auto"), "the model calls no tools"),
    ("function_call", lambda choice: choice in ("none", "auto"), "the model calls no functions"),
    ("response_format", lambda form: form == {"type": "text"}, "responses are plain text"),
    ("modalities", lambda kinds: kinds == ["text"], "responses are plain text"),
    ("audio", lambda _: False, "responses are plain text"),
    ("reasoning_effort", lambda _: False, "the model reasons as it was trained to"),
    ("verbosity", lambda _: False, "the model writes as it was trained to"),
    ("web_search_options", lambda _: False, "nothing is looked up"),
)
"""Fields of which one value alone can be had, with what is said of all others."""

BOTH: tuple[Neutral, ...] = (
    ("frequency_penalty", lambda penalty: penalty == 0, "tokens are drawn by the model's own law; leave it at 0"),
    ("presence_penalty", lambda penalty: penalty == 0, "tokens are drawn by the model's own law; leave it at 0"),
    ("repetition_penalty", lambda penalty: penalty == 1, "tokens are drawn by the model's own law; leave it at 1"),
    ("logit_bias", lambda bias: bias == {}, "tokens are drawn by the model's own law"),
    ("min_p", lambda share: share == 0, "take top_p or top_k"),
)


def _asked(fields: Fields, max_tokens: int | None, logprobs: bool, likeliest: int) -> Asked:
    for name, changes_nothing, why in BOTH:
        fields.neutral(name, changes_nothing, why)
    stream = fields.flag("stream")
    include_usage = _include_usage(fields, stream)
    fields.ignore(HARMLESS)
    top_k = fields.whole("top_k", 0, -1, 2**31 - 1) or 0
    asked = Asked(
        model=fields.text("model"),
        n=fields.whole("n", 1, 1, MOST_RESPONSES) or 1,
        max_tokens=max_tokens,
        temperature=fields.temperature(),
        top_p=fields.number("top_p", 1.0, 0.0, 1.0, above=True),
        top_k=max(0, top_k),  # -1 is another way to say that it is off
        seed=_seed(fields),
        stops=_stops(fields),
        logprobs=logprobs,
        likeliest=likeliest,
        stream=stream,
        include_usage=include_usage,
    )
    fields.close()
    return asked


def _seed(fields: Fields) -> int | None:
    value = fields.take("seed")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or abs(value) >= 2**64):
        raise fields.wrong("seed", "a whole number of at most 64 bits", value)
    return value


def _stops(fields: Fields) -> tuple[str, ...]:
    value = fields.take("stop")
    stops = [] if value is None else [value] if isinstance(value, str) else value
    texts = isinstance(stops, list) and all(isinstance(stop, str) and stop for stop in stops)
    if not texts or len(stops) > MOST_STOPS:
        raise fields.wrong("stop", f"a text, or a list of up to {MOST_STOPS}, none of them empty", value)
    return tuple(storable(stop) for stop in stops)


def _include_usage(fields: Fields, stream: bool) -> bool:
    options = fields.take("stream_options")
    if options is None:
        return False
    if not isinstance(options, dict):
        raise fields.wrong("stream_options", 'an object such as {"include_usage": true}', options)
    if not stream:
        raise BadRequest("stream_options are for streams: set stream to true, or leave them out", "stream_options")
    inner = Fields(options, "stream_options.")
    include_usage = inner.flag("include_usage")
    inner.ignore(("include_obfuscation",))
    inner.close()
    return include_usage


def read_messages(found: Any) -> tuple[Message, ...]:
    """The messages of a chat, the last of which is a user's. Raises BadRequest for anything else."""
    if not isinstance(found, list) or not found:
        raise BadRequest('messages is no list with a message: give [{"role": "user", "content": "..."}]', "messages")
    messages = tuple(_message(message, f"messages[{place}]") for place, message in enumerate(found))
    if messages[-1]["role"] != "user":
        raise BadRequest("the last of the messages is not a user's, and so there is nothing to answer", "messages")
    return messages


def _message(found: Any, where: str) -> Message:
    if not isinstance(found, dict):
        raise BadRequest(f'{where} is no message: give {{"role": "user", "content": "..."}}', where)
    fields = Fields(found, f"{where}.")
    role = fields.text("role")
    if role not in ROLES:
        raise fields.wrong("role", f"one of {', '.join(ROLES)}", role)
    content = _content(fields)
    fields.ignore(OF_MESSAGES)
    for name in ("tool_calls", "function_call", "audio"):
        fields.neutral(name, lambda value: value == [], "a message is its text alone")
    if content is None and role != "assistant":
        raise fields.wrong("content", "a text", None)
    fields.close()
    return {"role": ROLES[role], "content": storable(content or "")}


def _content(fields: Fields) -> str | None:
    """A message's text: as one, or in parts, which stand on lines of their own."""
    value = fields.take("content")
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise fields.wrong("content", 'a text, or a list of parts such as {"type": "text", "text": "..."}', value)
    texts = []
    for place, part in enumerate(value):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind != "text" or not isinstance(part.get("text"), str) or set(part) != {"type", "text"}:
            where = fields.name(f"content[{place}]")
            raise BadRequest(
                f'{where} is no text, and the model reads nothing else: give {{"type": "text", ...}}', where
            )
        texts.append(part["text"])
    return "\n".join(texts)


def _prompts(found: Any) -> tuple[str | tuple[int, ...], ...]:
    """One prompt or several, each a text or a list of token ids."""
    alone = isinstance(found, str) or (isinstance(found, list) and bool(found) and all(map(_is_id, found)))
    several = [found] if alone else found
    if not isinstance(several, list) or not 0 < len(several) <= MOST_PROMPTS or not all(map(_is_prompt, several)):
        raise BadRequest(
            f"prompt is no text, no list of token ids, and no list of up to {MOST_PROMPTS} of these", "prompt"
        )
    return tuple(storable(prompt) if isinstance(prompt, str) else tuple(prompt) for prompt in several)


def _is_prompt(found: Any) -> bool:
    return isinstance(found, str) or (isinstance(found, list) and bool(found) and all(map(_is_id, found)))


def _is_id(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found < 2**31
