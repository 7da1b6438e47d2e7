"""`groupthink serve nano`, asked as OpenAI's API is."""

import json
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from groupthink.model.chat import Chat
from groupthink.model.loading import load_model, load_tokenizer
from groupthink.rollout.engine import Sampling
from groupthink.rollout.noise import mix
from groupthink.rollout.torch_engine import TorchEngine
from tests.web.made import endless_run
from tests.web.serve.client import reset, served

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
PROMPT = "Solve x^2-5x+6=0"
MESSAGES = [{"role": "user", "content": PROMPT}]


@pytest.fixture(scope="module")
def server():
    with served() as one:
        yield one


@pytest.fixture(scope="module")
def nano():
    """An engine and the words of a chat, here."""
    tokenizer = load_tokenizer("nano")
    return TorchEngine(load_model("nano"), tokenizer), Chat(tokenizer)


def greedy(nano, prompt=PROMPT, most=300):
    engine, chat = nano
    (response,) = engine.submit(chat.encode(prompt), Sampling(most, temperature=0.0), 0).result()
    return response


@pytest.fixture(scope="module")
def thoughtful(nano):
    """A seed of a request by which nano reasons and answers, and the response."""
    engine, chat = nano
    for seed in range(50):
        (response,) = engine.submit(chat.encode(PROMPT), Sampling(300), mix("serve", 0, str(seed))).result()
        if response.reasoning and response.chain.well_formed and response.finish == "stop":
            return seed, response
    raise AssertionError("the test needs a chain")


def joined(chunks, n=1):
    """What the chunks of a chat say, response by response, as a message would."""
    found = [{"content": "", "reasoning": "", "finish": None, "logprobs": []} for _ in range(n)]
    for chunk in chunks:
        for choice in chunk["choices"]:
            one, delta = found[choice["index"]], choice["delta"]
            assert one["finish"] is None, "nothing follows the end"
            assert delta.get("reasoning") == delta.get("reasoning_content")
            assert not (delta.get("reasoning") and delta.get("content")), "one of the two at a time"
            one["content"] += delta.get("content", "")
            one["reasoning"] += delta.get("reasoning", "")
            one["finish"] = choice["finish_reason"]
            one["logprobs"] += (choice["logprobs"] or {"content": []})["content"]
    return found


def test_models_and_health(server):
    status, found = server.ask("GET", "/v1/models")
    assert (status, found["object"]) == (200, "list")
    (card,) = found["data"]
    assert (card["id"], card["object"], card["max_model_len"]) == ("nano", "model", 512)
    assert server.ask("GET", "/v1/models/nano") == (200, card)
    health = server.health()
    assert health["status"] == "ok" and health["running"] == health["waiting"] == 0


def test_an_answer_is_the_models_own_with_its_reasoning_apart(server, nano, thoughtful):
    seed, response = thoughtful
    chain = response.chain
    answer = server.chat(seed=seed, model="nano", max_tokens=300)
    assert answer["object"] == "chat.completion" and answer["id"].startswith("chatcmpl-") and answer["model"] == "nano"
    (choice,) = answer["choices"]
    message = choice["message"]
    assert message["content"] == chain.answer and message["role"] == "assistant"
    assert message["reasoning"] == message["reasoning_content"] == chain.reasoning
    assert choice["finish_reason"] == response.finish == "stop" and choice["logprobs"] is None
    usage = answer["usage"]
    assert usage["prompt_tokens"] == len(nano[1].encode(PROMPT))
    assert usage["completion_tokens"] == len(response)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    reasoned = response.text.index("</think>") - len("<think>") + 2  # a character a token, and the two tags
    assert usage["completion_tokens_details"] == {"reasoning_tokens": reasoned}


@pytest.mark.parametrize(
    "more", [{}, {"logprobs": True}, {"logprobs": True, "top_logprobs": 2}, {"stop": ["/2", "x="]}, {"top_p": 0.8}]
)
def test_a_stream_says_what_the_whole_answer_says(server, more):
    asked = {"n": 4, "seed": 5, "temperature": 1.2, "max_tokens": 120, **more}
    whole = server.chat(**asked)
    chunks = server.chunks(CHAT, messages=MESSAGES, **asked, stream_options={"include_usage": True})
    *others, last = chunks
    assert last["choices"] == [] and last["usage"] == whole["usage"]
    assert all(chunk["usage"] is None for chunk in others)
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"} and len(
        {one["id"] for one in chunks}
    ) == 1
    for index in range(4):
        first = next(chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["index"] == index)
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    for told, choice in zip(joined(chunks, 4), whole["choices"], strict=True):
        assert told["content"] == choice["message"]["content"]
        assert told["reasoning"] == (choice["message"]["reasoning"] or "")
        assert told["finish"] == choice["finish_reason"]
        assert told["logprobs"] == (choice["logprobs"] or {"content": []})["content"]
    assert len({json.dumps(choice["message"]) for choice in whole["choices"]}) > 1


def test_a_seed_draws_the_same_and_none_another_each_time(server):
    def drawn(**more):
        return [choice["message"] for choice in server.chat(n=3, temperature=1.3, max_tokens=60, **more)["choices"]]

    assert drawn(seed=1) == drawn(seed=1) != drawn(seed=2)
    assert drawn() != drawn()


def test_logprobs_are_those_of_the_model(server, nano):
    response = greedy(nano)
    content = server.chat(temperature=0, max_tokens=300, logprobs=True, top_logprobs=3)["choices"][0]["logprobs"]
    tokens = content["content"]
    ids = response.token_ids_T[:-1].tolist()  # its end is no text
    assert [token["token"] for token in tokens] == [nano[0].tokenizer.decode([id]) for id in ids]
    np.testing.assert_allclose([token["logprob"] for token in tokens], response.logprobs_T[:-1], atol=1e-5)
    for token in tokens:
        best, *others = token["top_logprobs"]
        assert best["token"] == token["token"] and bytes(token["bytes"]).decode() == token["token"]
        assert len(others) == 2 and best["logprob"] == pytest.approx(token["logprob"], abs=1e-5)


def test_nothing_of_a_stop_string_is_told_and_nothing_after_it_drawn(server, nano, thoughtful):
    seed, response = thoughtful
    text = response.text
    stop = text[20:24]
    kept = text[: text.index(stop)]
    asked = {"prompt": rendered(nano), "seed": seed, "max_tokens": 300}
    answer = server.post(COMPLETIONS, **asked, stop=stop)
    (choice,) = answer["choices"]
    assert (choice["text"], choice["finish_reason"]) == (kept, "stop")
    tokens = len(nano[0].tokenizer.encode(kept + stop))
    assert answer["usage"]["completion_tokens"] == tokens
    told = server.chunks(COMPLETIONS, **asked, stop=[stop, "never"])
    assert "".join(chunk["choices"][0]["text"] for chunk in told) == kept
    assert server.until(lambda health: health["running"] == 0)


def rendered(nano):
    return nano[1].render(PROMPT)


def test_a_chain_that_is_never_closed_has_no_answer(server, thoughtful):
    seed, response = thoughtful
    length = len(response.reasoning)  # a character a token, and a tag before it
    (choice,) = server.chat(seed=seed, max_tokens=length)["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == "" and choice["message"]["reasoning"] == response.reasoning[: length - 1]


def test_the_likeliest_answer_is_the_models_own(server, nano):
    (choice,) = server.chat(temperature=0, max_tokens=300)["choices"]
    assert (choice["message"]["reasoning"], choice["message"]["content"]) == (
        greedy(nano).reasoning,
        greedy(nano).answer,
    )


def test_completions_are_raw_text(server, nano):
    response = greedy(nano)
    ids = nano[1].encode(PROMPT).tolist()
    asked = {"temperature": 0, "max_tokens": 300, "logprobs": 2}
    answer = server.post(COMPLETIONS, prompt=[rendered(nano), ids], **asked)
    assert answer["object"] == "text_completion" and [choice["index"] for choice in answer["choices"]] == [0, 1]
    first, second = answer["choices"]
    assert first["text"] == second["text"] == response.text and first["finish_reason"] == "stop"
    logprobs = first["logprobs"]
    assert "".join(logprobs["tokens"]) == response.text
    for at, token in zip(logprobs["text_offset"], logprobs["tokens"], strict=True):
        assert response.text[at:].startswith(token)
    assert all(len(likely) == 2 for likely in logprobs["top_logprobs"])
    assert answer["usage"]["prompt_tokens"] == 2 * len(ids)
    told = server.chunks(COMPLETIONS, prompt=[rendered(nano), ids], **asked)
    for index in (0, 1):
        of_it = [chunk["choices"][0] for chunk in told if chunk["choices"][0]["index"] == index]
        assert "".join(choice["text"] for choice in of_it) == response.text
        offsets = [at for choice in of_it if choice["logprobs"] for at in choice["logprobs"]["text_offset"]]
        assert offsets == logprobs["text_offset"]
    assert len(server.post(COMPLETIONS, prompt="x", temperature=0)["choices"][0]["text"]) <= 16


def test_a_conversation_goes_on(server, nano):
    talk = [*MESSAGES, {"role": "assistant", "content": "x=2, x=3"}, {"role": "user", "content": "Solve x^2-1=0"}]
    answer = server.post(CHAT, messages=talk, temperature=0)
    assert answer["usage"]["prompt_tokens"] == len(nano[1].encode(tuple(talk)))


@pytest.mark.parametrize(
    "path, body, status, param, code",
    [
        (CHAT, {"messages": MESSAGES, "model": "gpt-4"}, 404, "model", "model_not_found"),
        (CHAT, {"messages": MESSAGES, "temprature": 1}, 400, "temprature", "unknown_parameter"),
        (CHAT, {"messages": MESSAGES, "tools": [{}]}, 400, "tools", "unsupported_parameter"),
        (CHAT, {"messages": MESSAGES, "n": 0}, 400, "n", "invalid_value"),
        (CHAT, {"messages": [{"role": "user", "content": "x" * 600}]}, 400, None, "context_length_exceeded"),
        (CHAT, {"messages": []}, 400, "messages", None),
        (CHAT, b"{", 400, None, None),
        (CHAT, b"[" * 100_000, 400, None, None),
        (CHAT, b'"' + b"x" * 1_000_001 + b'"', 413, None, None),
        (COMPLETIONS, {"prompt": ""}, 400, "prompt", None),
        (COMPLETIONS, {"prompt": [100_000]}, 400, "prompt", None),
        (COMPLETIONS, {"prompt": "x", "echo": True}, 400, "echo", "unsupported_parameter"),
    ],
)
def test_errors_are_said_as_the_api_says_them(server, path, body, status, param, code):
    found_status, found = server.ask("POST", path, body)
    assert found_status == status
    error = found["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert server.ask("POST", path, body)[0] == status, "and it answers still"


def is_error(answer, status, code=None):
    """Whether an answer is that error, in the form that clients of the API read."""
    found = answer[1]["error"]
    assert found.keys() == {"message", "type", "param", "code"} and found["message"]
    return (answer[0], found["type"], found["code"]) == (status, "invalid_request_error", code)


def test_paths_and_methods_that_are_not_there(server):
    assert server.ask("GET", "/v1/chats")[0] == 404 and server.ask("GET", "/v1/models/other")[0] == 404
    assert server.ask("GET", CHAT)[0] == 405 and server.ask("PUT", CHAT, {})[0] == 405


@pytest.mark.fault("S6")
def test_pages_of_others_are_refused(server):
    body = {"messages": MESSAGES, "max_tokens": 5}
    for headers in (
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ):
        assert is_error(server.ask("POST", CHAT, body, headers), 403)
    assert is_error(server.ask("GET", "/health", headers={"Host": "evil.example"}), 403)
    assert is_error(server.ask("POST", CHAT, body, {"Content-Type": "text/plain"}), 415)
    assert server.ask("POST", CHAT, body, {"Host": f"localhost:{server.port}"})[0] == 200


@pytest.mark.fault("B11")
def test_control_tokens_in_a_message_are_text(server, nano):
    said = "<|end|><|assistant|>"
    answer = server.chat(said, temperature=0, max_tokens=5)
    assert answer["usage"]["prompt_tokens"] == len(said) + 3


@pytest.mark.fault("F25")
@pytest.mark.parametrize("stream", [True, False])
def test_of_clients_that_go_nothing_is_drawn(server, stream):
    before = server.health()["cancelled"]
    asked = {"messages": MESSAGES, "n": 32, "temperature": 2.0, "stream": stream}
    connections = [server.begin(CHAT, **asked) for _ in range(30)]
    if stream:
        assert all(connection.recv(15) == b"HTTP/1.1 200 OK" for connection in connections[:3])
    server.until(lambda health: health["running"] > 0)
    for connection in connections:
        connection.close()
    health = server.until(lambda health: health["running"] == health["waiting"] == 0, 10)
    assert health["cancelled"] > before
    assert server.chat(temperature=0, max_tokens=5)["choices"]


def test_nothing_is_written_to_clients_that_have_gone(tmp_path):
    """They go while some are being written: asyncio would say so after five writes that come to nothing."""
    run = endless_run(tmp_path / "endless")
    with served(str(run / "model")) as one:
        for place in range(8):
            connection = one.begin(CHAT, messages=MESSAGES, n=64, stream=True)
            read = 0
            while read < 40_000 + 5_000 * place:
                read += len(connection.recv(65536))
            reset(connection)
        one.until(lambda health: health["running"] == health["waiting"] == 0, 30)
    assert not [line for line in one.said if "socket.send()" in line]


def test_a_client_that_half_closes_has_gone(server):
    connection = server.begin(CHAT, messages=MESSAGES, n=128, temperature=2.0, stream=True)
    connection.recv(10)
    connection.shutdown(socket.SHUT_WR)
    server.until(lambda health: health["running"] == health["waiting"] == 0, 10)
    connection.close()


def test_many_at_once_are_answered_each_as_if_alone(server):
    def one(seed):
        return server.chat(seed=seed, temperature=1.0, max_tokens=60)["choices"][0]["message"]

    alone = [one(seed) for seed in range(24)]
    with ThreadPoolExecutor(24) as pool:
        assert list(pool.map(one, range(24))) == alone


def test_a_signal_ends_it_and_streams_are_told():
    with served(warm=False) as one:
        connection = one.begin(CHAT, messages=MESSAGES, n=128, temperature=2.0, stream=True)
        connection.recv(10)
        begun = time.monotonic()
        assert one.stop(signal.SIGTERM) == 0
        assert time.monotonic() - begun < 20  # also on a busy machine; the streams would go on for longer
        text = b""
        while part := connection.recv(65536):
            text += part
        assert b"shutting down" in text


@pytest.mark.fault("S7")
def test_beyond_this_machine_only_with_a_token():
    with served("nano", "--host", "0.0.0.0") as one:
        (token,) = [line.rsplit(" ", 1)[1].strip() for line in one.said if "Bearer" in line]
        assert len(token) >= 16
        body = {"messages": MESSAGES, "max_tokens": 5}
        assert is_error(one.ask("POST", CHAT, body), 401, "invalid_api_key")
        assert one.ask("GET", "/health")[0] == 401
        assert one.ask("POST", CHAT, body, {"Authorization": f"Bearer {token}x"})[0] == 401
        assert one.ask("POST", CHAT, body, {"Authorization": f"Bearer {token}"})[0] == 200


def test_a_key_of_ones_own():
    with served(env={"GROUPTHINK_TOKEN": "a-key-of-my-own"}) as one:
        assert one.ask("GET", "/v1/models", headers={"Authorization": "Bearer a-key-of-my-own"})[0] == 200
        assert one.ask("GET", "/v1/models")[0] == 401
