"""Bodies are read by hand: what changes the result is honoured or refused by name, what changes nothing is ignored."""

import json

import pytest

from groupthink.web.serve.fields import BadRequest, read_object
from groupthink.web.serve.request import Asked, read_chat, read_completion

USER = {"role": "user", "content": "Solve x^2-5x+6=0"}


def chat(**fields):
    return read_chat({"model": "nano", "messages": [USER], **fields})


def completion(**fields):
    return read_completion({"model": "nano", "prompt": "x", **fields})


def refusal(read, **fields):
    with pytest.raises(BadRequest) as caught:
        read(**fields)
    return caught.value


def test_what_is_not_said_is_as_the_api_has_it():
    asked = Asked("nano", 1, None, 1.0, 1.0, 0, None, (), False, 0, False, False)
    assert chat().asked == asked and chat().messages == (USER,)
    found = completion()
    assert found.prompts == ("x",) and found.asked.max_tokens == 16
    assert read_completion({"prompt": "x"}).asked.model is None


def test_all_that_can_be_said_of_a_chat():
    said = {"n": 3, "temperature": 0, "top_p": 0.5, "top_k": 7, "max_completion_tokens": 9, "seed": -4}
    said |= {"stop": ["a", "b"], "logprobs": True, "top_logprobs": 2, "stream": True}
    asked = chat(**said, stream_options={"include_usage": True}).asked
    assert asked == Asked("nano", 3, 9, 0.0, 0.5, 7, -4, ("a", "b"), True, 2, True, True)


def test_all_that_can_be_said_of_a_completion():
    asked = completion(n=2, best_of=2, max_tokens=5, logprobs=3, stop="a", echo=False, suffix="", top_k=-1).asked
    assert asked == Asked("nano", 2, 5, 1.0, 1.0, 0, None, ("a",), True, 3, False, False)
    assert completion(logprobs=0).asked.logprobs and not completion(logprobs=None).asked.logprobs


def test_null_is_as_if_it_were_left_out():
    names = ("n", "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "logprobs", "stream")
    more = ("top_logprobs", "stream_options", "tools", "tool_choice", "response_format", "logit_bias", "user", "odd")
    assert chat(**dict.fromkeys((*names, *more))) == chat()
    assert completion(**dict.fromkeys(("best_of", "echo", "suffix", "max_tokens"))) == completion()


def test_the_newer_name_of_a_limit_goes_before_the_older():
    assert chat(max_tokens=5).asked.max_tokens == 5
    assert chat(max_tokens=5, max_completion_tokens=7).asked.max_tokens == 7


@pytest.mark.parametrize(
    "harmless",
    [
        {"user": "me", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "safety_identifier": "x"},
        {"tools": [], "functions": [], "tool_choice": "none", "parallel_tool_calls": True, "prediction": {}},
        {"response_format": {"type": "text"}, "modalities": ["text"], "logit_bias": {}},
        {"frequency_penalty": 0, "presence_penalty": 0.0, "repetition_penalty": 1, "min_p": 0},
    ],
)
def test_what_changes_nothing_is_ignored(harmless):
    assert chat(**harmless) == chat()


@pytest.mark.parametrize(
    "name, value",
    [
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("repetition_penalty", 1.1),
        ("logit_bias", {"5": 100}),
        ("min_p", 0.1),
        ("tools", [{"type": "function"}]),
        ("tool_choice", "required"),
        ("functions", [{}]),
        ("function_call", {"name": "f"}),
        ("response_format", {"type": "json_object"}),
        ("modalities", ["text", "audio"]),
        ("audio", {}),
        ("reasoning_effort", "high"),
        ("verbosity", "low"),
        ("web_search_options", {}),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(name, value):
    error = refusal(chat, **{name: value})
    assert (error.param, error.code, error.status) == (name, "unsupported_parameter", 400)
    assert str(error).startswith(f"{name} cannot be had here: ")


@pytest.mark.parametrize("name, value", [("echo", True), ("suffix", "x"), ("best_of", 3), ("presence_penalty", 1)])
def test_what_a_completion_cannot_have(name, value):
    assert refusal(completion, **{name: value}).param == name


@pytest.mark.parametrize(
    "name, meant",
    [("temprature", "temperature"), ("max_token", "max_tokens"), ("stops", "stop"), ("num_responses", "n")],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(name, meant):
    error = refusal(chat, **{name: 1})
    assert (error.param, error.code) == (name, "unknown_parameter")
    if name != "num_responses":
        assert str(error) == f"unknown field {name!r}: did you mean {meant}?"


def test_fields_of_one_endpoint_are_unknown_to_the_other():
    assert refusal(chat, prompt="x").code == refusal(completion, messages=[USER]).code == "unknown_parameter"
    assert refusal(chat, echo=True).code == refusal(completion, top_logprobs=1).code == "unknown_parameter"


@pytest.mark.parametrize(
    "name, values",
    [
        ("n", [0, -1, 129, 1.5, True, "2", [1]]),
        ("temperature", [-0.1, 2.1, True, "1", 10**400, []]),
        ("top_p", [0, -0.1, 1.1, False, "1"]),
        ("top_k", [-2, 1.5, True, 2**31]),
        ("max_tokens", [0, -5, 1.0, True, "9"]),
        ("max_completion_tokens", [0, "9"]),
        ("seed", [1.5, True, "1", 2**64]),
        ("stop", ["", ["a", ""], ["a"] * 5, 1, [1], {}]),
        ("stream", [1, "true", 0]),
        ("logprobs", [1, "true", 0]),
        ("model", [1, ["nano"]]),
        ("stream_options", [True, []]),
    ],
)
def test_values_that_are_none_are_refused(name, values):
    for value in values:
        error = refusal(chat, **{name: value})
        assert (error.param, error.code) == (name, "invalid_value")
        assert str(error).startswith(f"{name} is ") and ": give " in str(error)


def test_a_long_value_is_not_repeated_whole():
    assert len(str(refusal(chat, n="9" * 10_000))) < 200


@pytest.mark.parametrize("value", [-1, 21, True, 1.5, "2"])
def test_how_many_of_the_likeliest(value):
    assert refusal(chat, logprobs=True, top_logprobs=value).param == "top_logprobs"
    assert refusal(completion, logprobs=value).param == "logprobs"
    assert refusal(chat, top_logprobs=2).param == "top_logprobs"  # without logprobs


def test_options_of_a_stream():
    assert refusal(chat, stream_options={"include_usage": True}).param == "stream_options"
    assert refusal(chat, stream=True, stream_options={"include_use": True}).param == "stream_options.include_use"
    assert refusal(chat, stream=True, stream_options={"include_usage": 1}).param == "stream_options.include_usage"
    assert not chat(stream=True, stream_options={"include_obfuscation": False}).asked.include_usage


def test_messages_become_the_words_of_a_chat():
    parts = [{"type": "text", "text": "Solve"}, {"type": "text", "text": "x=1"}]
    said = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts, "name": "ann"},
        # As a client sends back what it was told.
        {"role": "assistant", "content": "x=1", "reasoning": "1", "reasoning_content": "1", "refusal": None},
        {"role": "assistant", "content": None, "tool_calls": [], "audio": None, "function_call": None},
        USER,
    ]
    assert chat(messages=said).messages == (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Solve\nx=1"},
        {"role": "assistant", "content": "x=1"},
        {"role": "assistant", "content": ""},
        USER,
    )


@pytest.mark.parametrize(
    "messages, param",
    [
        (None, "messages"),
        ([], "messages"),
        ("Solve", "messages"),
        (["Solve"], "messages[0]"),
        ([{"content": "x"}], "messages[0].role"),
        ([{"role": "tool", "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": None}], "messages[0].content"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": ["x"]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"type": "text", "text": 1}]}], "messages[0].content[0]"),
        ([USER, {"role": "user", "content": "x", "contents": "y"}], "messages[1].contents"),
        ([{"role": "assistant", "content": "x", "tool_calls": [{}]}, USER], "messages[0].tool_calls"),
        ([USER, {"role": "assistant", "content": "x"}], "messages"),  # nothing to answer
        ([{"role": "system", "content": "x"}], "messages"),
    ],
)
def test_messages_that_are_none(messages, param):
    assert refusal(chat, messages=messages).param == param


@pytest.mark.parametrize(
    "prompt, read",
    [
        ("x", ("x",)),
        (["x", "y"], ("x", "y")),
        ([5, 9], ((5, 9),)),
        ([[5, 9], [4]], ((5, 9), (4,))),
        ([[5, 9], "y"], ((5, 9), "y")),
        ("", ("",)),
    ],
)
def test_prompts(prompt, read):
    assert completion(prompt=prompt).prompts == read


@pytest.mark.parametrize("prompt", [None, 5, [], [[]], [True], [-1], [2**31], {"a": 1}, ["x", 5], ["x"] * 129])
def test_prompts_that_are_none(prompt):
    assert refusal(completion, prompt=prompt).param == "prompt"


def test_no_more_responses_than_one_request_may_have():
    assert refusal(completion, prompt=["x"] * 100, n=2).param == "n"


def test_half_a_surrogate_is_spelt_out():
    assert chat(messages=[{"role": "user", "content": "a\ud800b"}]).messages[0]["content"] == "a\\ud800b"
    assert completion(prompt="\udfff").prompts == ("\\udfff",)
    assert chat(stop="\ud800").asked.stops == ("\\ud800",)
    refusal(chat, **{"\ud800": 1})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"5",
        b"\xff",
        b'{"n": NaN}',
        b'{"n": Infinity}',
        b"[" * 500_000,
        b'{"n":' + b"9" * 5000,
    ],
)
def test_a_body_that_is_no_object(body):
    with pytest.raises(BadRequest, match="the body is"):
        read_object(body)


def test_a_body():
    assert read_object(json.dumps({"n": 1, "text": "é\u0000"}).encode()) == {"n": 1, "text": "é\u0000"}
