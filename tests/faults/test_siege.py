"""`bench/siege.py`: that it sees what is wrong with answers, and that a short siege finds nothing wrong."""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.web.serve.client import served

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a process is looked at in /proc")


@pytest.fixture
def siege(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return __import__("siege")


@pytest.fixture
def asking(monkeypatch):
    monkeypatch.syspath_prepend(BENCH)
    return __import__("siege_asking")


def completion(text, finish="length", tokens=None):
    logprobs = None if tokens is None else {"tokens": tokens}
    return {"index": 0, "text": text, "finish_reason": finish, "logprobs": logprobs}


def usage(drawn):
    return {"prompt_tokens": 3, "completion_tokens": drawn, "total_tokens": 3 + drawn}


def stream(*chunks, done="[DONE]"):
    told = [json.dumps({"id": "a", "usage": None} | chunk) for chunk in chunks]
    return "".join(f"data: {one}\n\n" for one in [*told, done]).encode()


ENDED = {"choices": [], "usage": usage(2)}
HEADERS = {"content-type": "text/event-stream; charset=utf-8"}


def test_a_stream_is_read_as_the_whole_answer(asking):
    question = asking.Question(asking.COMPLETIONS, {"n": 1, "max_tokens": 2, "logprobs": 2})
    pieces = [completion("x", None, ["x"]), completion("y", None, ["y"]), completion("", "length", [])]
    found = asking.read_stream(stream(*({"choices": [one]} for one in pieces), ENDED), HEADERS, question)
    whole = {"object": "text_completion", "choices": [completion("xy", "length", ["x", "y"])], "usage": usage(2)}
    assert found == asking.read_whole(json.dumps(whole).encode(), {"content-type": "application/json"}, question)
    assert found.responses[0] == asking.Response("", "xy", "length", ("x", "y")) and found.drawn_tokens == 2


@pytest.mark.parametrize(
    "body, why",
    [
        (stream({"choices": [completion("xy")]}, ENDED)[:-1], "breaks off"),
        (stream({"choices": [completion("xy")]}, ENDED, done='{"error": {}}'), "ends by"),
        (stream({"choices": [completion("xy")]}, {"error": {}}), "an error"),
        (stream({"choices": [completion("xy")]}, {"choices": []}), "without its usage"),
        (stream({"choices": [completion("xy", None)]}, ENDED), "without an end"),
        (stream({"choices": [completion("xy")]}, {"choices": [completion("z")]}, ENDED), "after the end"),
        (stream({"choices": [completion("xy")]}, ENDED | {"id": "b"}), "several answers"),
        (stream({"choices": [completion("xyz")]}, ENDED | {"usage": usage(3)}), "a usage of"),
    ],
)
def test_a_stream_that_is_none_is_seen(asking, body, why):
    question = asking.Question(asking.COMPLETIONS, {"n": 1, "max_tokens": 2})
    with pytest.raises(asking.Wrong, match=why):
        asking.read_stream(body, HEADERS, question)


def test_tokens_that_were_not_told_are_seen(asking):
    question = asking.Question(asking.COMPLETIONS, {"n": 1, "max_tokens": 5, "logprobs": 2})
    body = stream({"choices": [completion("xy", "length", ["x"])]}, ENDED)
    with pytest.raises(asking.Wrong, match="tokens told"):
        asking.read_stream(body, HEADERS, question)


async def poor(reader, writer):
    """A server that answers everything by a failure of its own."""
    with suppress(ConnectionError):
        while (await reader.readline()).strip():
            pass
        writer.write(b"HTTP/1.1 503 Sorry\r\nContent-Length: 2\r\n\r\n{}")
        await writer.drain()
        await asyncio.sleep(0.05)
    writer.close()


def test_what_a_poor_server_does_is_counted(siege):
    async def besieged():
        found = siege.Found()
        async with await asyncio.start_server(poor, "127.0.0.1", 0) as server:
            port, until = server.sockets[0].getsockname()[1], siege.time.monotonic() + 2
            draw, options = siege.random.Random(0), siege.read_options(["--patience", "1"])
            asked = siege.questions(4, draw)
            bad = [siege.misbehave(port, draw, until, options, found) for _ in range(8)]
            await asyncio.gather(siege.behave(port, draw, until, asked, [None] * 4, found), *bad)
        return found

    found = asyncio.run(besieged())
    assert found.errors and not found.took and "status 503" in " ".join(found.failures)
    assert found.answers[503] == found.unexpected > 0 and len(found.failures) <= siege.TOLD


def test_what_a_visit_came_to_is_counted(siege):
    found = siege.Found()
    for stayed, held, statuses in ((True, True, []), (True, False, [408]), (False, False, [200])):
        visit = siege.Visit(1, 90.0, siege.random.Random(0), statuses, stayed, held)
        siege.note("slow head", visit, found)
    assert (found.held, found.ended, found.unexpected) == (1, 1, 1) and found.misdeeds == {"slow head": 3}
    assert [failure.partition(":")[2] for failure in found.failures] == [
        " still there after 90 s",
        " answered by Counter({200: 1})",
    ]


@pytest.mark.fault("S12")
def test_a_short_siege(siege, monkeypatch):
    """The others' answers are those that they had alone, no failure is the server's own, and nothing is left behind."""
    monkeypatch.setattr(siege, "SETTLES", 1.0)
    options = siege.read_options(["--clients", "20", "--misbehaving", "0.4", "--minutes", "0.1", "--seed", "5"])
    with served() as one:
        before = len(one.said)
        found = asyncio.run(siege.besiege(one.port, one.process.pid, options))
        assert one.stop() == 0 and one.said[before:] == []
    wrong = ("errors", "different", "server_errors", "unexpected", "held", "running_after", "waiting_after")
    assert {name: found[name] for name in wrong} == dict.fromkeys(wrong, 0), found["failures"]
    assert found["requests"] > 20 and sum(found["misdeeds"].values()) > 20 and found["left_after_seconds"] < 30
    assert found["open_files"]["after"] <= found["open_files"]["before"]
