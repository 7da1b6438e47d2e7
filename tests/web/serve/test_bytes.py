"""A model whose tokens are bytes, asked through the application itself: streams are whole characters (B9, B10)."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from groupthink.web.serve.app import create_app
from groupthink.web.serve.opened import open_model
from tests.tiny import tiny

BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
HOST = "127.0.0.1:1"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bytes")
    core = Tokenizer(models.BPE(vocab={char: index for index, char in enumerate(BYTES)}, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=core).save_pretrained(folder)
    tiny("qwen3", vocab_size=len(BYTES), eos_token_id=None, max_position_embeddings=2048).save_pretrained(folder)
    return open_model(str(folder))


@asynccontextmanager
async def at_work(opened):
    """The application, asked without a network."""
    app = create_app(opened, hosts=[HOST])
    events: asyncio.Queue[dict] = asyncio.Queue()
    done: asyncio.Queue[dict] = asyncio.Queue()
    await events.put({"type": "lifespan.startup"})
    life = asyncio.create_task(app({"type": "lifespan", "app": app}, events.get, done.put))
    assert (await done.get())["type"] == "lifespan.startup.complete"

    async def ask(path, **body):
        told = [{"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}]
        parts, gone = [], asyncio.Event()

        async def receive():
            if told:
                return told.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if message["type"] == "http.response.body":
                parts.append(message["body"])
            else:
                assert message["status"] == 200, message

        headers = [(b"host", HOST.encode()), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b""}
        await app(scope | {"headers": headers}, receive, send)
        return [part for part in parts if part]

    try:
        yield ask
    finally:
        await events.put({"type": "lifespan.shutdown"})
        await life


def asked(opened, path, **body):
    """The whole answer, and the chunks of a stream of the same."""

    async def both():
        async with at_work(opened) as ask:
            (whole,) = await ask(path, **body)
            *events, done, after = b"".join(await ask(path, **body, stream=True)).split(b"\n\n")
            assert done == b"data: [DONE]" and not after
            return json.loads(whole), [json.loads(event.removeprefix(b"data: ")) for event in events]

    return asyncio.run(both())


@pytest.mark.fault("B10")
def test_a_stream_of_bytes_is_whole_characters(opened):
    body = {"n": 6, "seed": 3, "max_tokens": 400, "temperature": 1.5}
    whole, chunks = asked(opened, COMPLETIONS, prompt="é", **body)
    for choice in whole["choices"]:
        told = [chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"][0]["index"] == choice["index"]]
        assert "".join(told) == choice["text"] and len([part for part in told if part]) > 1
        text = b"".join(part.encode() for part in told)
        assert text.decode() == choice["text"]
    assert any("\ufffd" in choice["text"] for choice in whole["choices"]), "the test needs bytes that are no text"


def test_the_text_is_that_of_all_tokens_together(opened):
    body = {"n": 4, "seed": 5, "max_tokens": 300, "logprobs": 0}
    whole, chunks = asked(opened, COMPLETIONS, prompt="é", **body)
    for index, choice in enumerate(whole["choices"]):
        tokens, offsets = choice["logprobs"]["tokens"], choice["logprobs"]["text_offset"]
        assert len(choice["logprobs"]["token_logprobs"]) == len(tokens) == 300
        assert "".join(tokens) == choice["text"] and "" in tokens
        assert all(choice["text"][at:].startswith(token) for at, token in zip(offsets, tokens, strict=True))
        parts = [chunk["choices"][0] for chunk in chunks if chunk["choices"][0]["index"] == index]
        for name in ("tokens", "text_offset"):
            assert [one for part in parts for one in part["logprobs"][name]] == choice["logprobs"][name]
    assert whole["usage"]["completion_tokens"] == 1200
    told = sum(len(chunk["choices"][0]["logprobs"]["tokens"]) for chunk in chunks if chunk["choices"][0]["logprobs"])
    assert told == 1200


def test_whoever_asks_for_tokens_is_told_the_same_text(opened):
    body = {"messages": [{"role": "user", "content": "é"}], "n": 4, "seed": 7, "max_tokens": 300}
    (text, _), (tokens, _) = (asked(opened, CHAT, **body, logprobs=logprobs) for logprobs in (False, True))
    messages = ([choice["message"] for choice in whole["choices"]] for whole in (text, tokens))
    assert next(messages) == next(messages)
    assert text["usage"] == tokens["usage"] and text["usage"]["completion_tokens"] == 1200


def test_bytes_of_a_token_are_told_where_they_are_text(opened):
    whole, _ = asked(opened, CHAT, messages=[{"role": "user", "content": "é"}], max_tokens=50, logprobs=True, seed=1)
    tokens = whole["choices"][0]["logprobs"]["content"]
    assert len(tokens) == 50 and any(token["bytes"] is None for token in tokens)
    for token in tokens:
        assert token["bytes"] is None or bytes(token["bytes"]).decode() == token["token"] != ""
