"""The official `openai` client against `groupthink serve`: streaming or not, the reasoning is read apart."""

from collections import Counter
from collections.abc import Iterator

import openai
import pytest

from groupthink.chain import read_chain
from tests.web.serve.client import Served, served

PEER = f"openai {openai.__version__}"
MESSAGES = [{"role": "user", "content": "Solve x^2-5x+6=0"}]
ASKED = {"model": "nano", "messages": MESSAGES, "max_tokens": 200}


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served() as one:
        yield one


@pytest.fixture
def client(server: Served, count: Counter[str]) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0) as one:
        yield one
    count[PEER] += 1


def test_the_model_is_listed(client):
    assert [model.id for model in client.models.list()] == ["nano"]
    assert client.models.retrieve("nano").id == "nano"


def test_a_chat_has_its_reasoning_apart(client):
    drawn = {"n": 32, "seed": 3, "max_tokens": 200}
    answer = client.chat.completions.create(**ASKED | drawn, logprobs=True, top_logprobs=2)
    prompt = f"<|user|>{MESSAGES[0]['content']}<|end|><|assistant|>"
    raw = client.completions.create(model="nano", prompt=prompt, **drawn)
    chains = [read_chain(choice.text) for choice in raw.choices]
    thoughtful = 0
    for choice, chain in zip(answer.choices, chains, strict=True):
        message = choice.message
        assert message.reasoning_content == message.reasoning
        if chain.well_formed:
            assert (message.content, message.reasoning) == (chain.answer, chain.reasoning)
            thoughtful += bool(chain.reasoning)
        for token in choice.logprobs.content:
            assert len(token.top_logprobs) == 2 and token.logprob <= 0
    assert thoughtful, "the test needs chains"
    details = answer.usage.completion_tokens_details
    assert 0 < details.reasoning_tokens < answer.usage.completion_tokens == raw.usage.completion_tokens


def test_a_stream_adds_up_to_the_whole(client):
    asked = {**ASKED, "n": 3, "seed": 3, "temperature": 1.1}
    whole = client.chat.completions.create(**asked)
    content, reasoning, finish, usage = [""] * 3, [""] * 3, [None] * 3, None
    for chunk in client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            content[choice.index] += choice.delta.content or ""
            reasoning[choice.index] += getattr(choice.delta, "reasoning_content", None) or ""
            finish[choice.index] = choice.finish_reason or finish[choice.index]
    assert content == [choice.message.content for choice in whole.choices]
    assert reasoning == [choice.message.reasoning or "" for choice in whole.choices]
    assert finish == [choice.finish_reason for choice in whole.choices]
    assert usage == whole.usage


def test_its_own_accumulator_reads_a_stream(client):
    with client.chat.completions.stream(**ASKED, seed=1) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    whole = client.chat.completions.create(**ASKED, seed=1)
    assert final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason


def test_completions_stream_too(client):
    asked = {"model": "nano", "prompt": ["1+1=", "2+2="], "max_tokens": 20, "seed": 1, "logprobs": 1}
    whole = client.completions.create(**asked)
    texts = ["", ""]
    for chunk in client.completions.create(**asked, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    assert texts == [choice.text for choice in whole.choices]
    assert whole.choices[0].logprobs.tokens and whole.choices[0].logprobs.top_logprobs


def test_stop_strings(client):
    (whole,) = client.chat.completions.create(**ASKED, temperature=0).choices
    stop = whole.message.content[2:4]
    (choice,) = client.chat.completions.create(**ASKED, temperature=0, stop=stop).choices
    assert choice.message.reasoning + choice.message.content == (
        whole.message.reasoning + whole.message.content
        if stop not in whole.message.reasoning + whole.message.content
        else (whole.message.reasoning + whole.message.content).partition(stop)[0]
    )
    assert choice.finish_reason == "stop"


@pytest.mark.parametrize(
    "change, error",
    [
        ({"model": "gpt-4"}, openai.NotFoundError),
        ({"temperature": 9}, openai.BadRequestError),
        ({"extra_body": {"temprature": 1}}, openai.BadRequestError),
        ({"messages": [{"role": "user", "content": "x" * 600}]}, openai.BadRequestError),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, openai.BadRequestError),
    ],
)
def test_errors_are_its_own(client, change, error):
    with pytest.raises(error) as caught:
        client.chat.completions.create(**{**ASKED, **change})
    assert caught.value.body["message"] and caught.value.type == "invalid_request_error"


@pytest.mark.fault("F25")
def test_a_stream_that_is_closed_ends_its_generation(client, server):
    stream = client.chat.completions.create(**{**ASKED, "max_tokens": 400}, n=64, temperature=2.0, stream=True)
    next(iter(stream))
    stream.close()
    server.until(lambda health: health["running"] == 0, 10)


def test_a_key_is_asked_for(count):
    with served(env={"GROUPTHINK_TOKEN": "a-key-of-my-own"}) as one:
        place = f"http://127.0.0.1:{one.port}/v1"
        with (
            openai.OpenAI(base_url=place, api_key="another", max_retries=0) as client,
            pytest.raises(openai.AuthenticationError),
        ):
            client.models.list()
        with openai.OpenAI(base_url=place, api_key="a-key-of-my-own", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["nano"]
    count[PEER] += 1
