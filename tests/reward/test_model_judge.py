import asyncio
import dataclasses
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from groupthink.recipe import dump_recipe, load_recipe
from groupthink.reward import model_judge
from groupthink.reward.judge import Judge
from groupthink.reward.model_judge import PROMPT, ModelJudge, Server, filled, number_in, require_prompt
from groupthink.reward.settings import JudgeSettings, RewardSettings
from groupthink.task.quadratics import Quadratics


class Mock:
    """An OpenAI-compatible server; what it replies to the n-th question is decided by a test."""

    def __init__(self):
        self.questions, self.keys, self.at_once, self.most_at_once = [], [], 0, 0
        self.reply = lambda n, question: (200, "0.5")
        self.lock = threading.Lock()
        mock = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/chat/completions" and body["model"] == "wise"
                with mock.lock:
                    mock.questions.append(body["messages"][0]["content"])
                    mock.keys.append(self.headers["Authorization"])
                    mock.at_once += 1
                    mock.most_at_once = max(mock.at_once, mock.most_at_once)
                    n = len(mock.questions)
                status, content = mock.reply(n, body["messages"][0]["content"])
                with mock.lock:
                    mock.at_once -= 1
                said = {"choices": [{"message": {"role": "assistant", "content": content}}]}
                text = (json.dumps(said) if status == 200 else str(content)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that waits no longer
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def mock(monkeypatch):
    monkeypatch.setattr(model_judge, "FIRST_PAUSE", 0.01)
    mock = Mock()
    yield mock
    mock.server.shutdown()
    mock.server.server_close()


@pytest.fixture
def judged(mock, group):
    def values(prompt=PROMPT, of=group, opening="", **settings):
        server = Server(**{"url": mock.url, "model": "wise", "tries": 3} | settings)
        return asyncio.run(ModelJudge(server, prompt, opening=opening)(of))

    return values


def test_the_number_of_the_reply_is_the_reward(judged, mock):
    mock.reply = lambda n, question: (
        200,
        "I give it 1" if "x=2, x=3\n---\n" in question.split("Answer:")[-1] else "0.25",
    )
    assert judged() == [1.0, 1.0, 0.25]


def test_the_question_shows_problem_reference_and_answer_without_the_reasoning(judged, mock):
    judged()
    for part in ("Solve x^2-5x+6=0", "Reference answer:\nx=2, x=3", "Answer:\nx=-8, x=-2"):
        assert any(part in question for question in mock.questions)
    assert not any("D=9" in question for question in mock.questions)


def test_what_an_answer_holds_is_not_read_as_a_template():
    assert filled("{{a}} {problem}: {answer}", {"problem": "{answer}", "answer": "{problem} {0}"}) == (
        "{a} {answer}: {problem} {0}"
    )


def test_a_response_without_an_answer_is_worth_nothing_and_nobody_is_asked(judged, mock, group, respond):
    asked = dataclasses.replace(group, responses=(respond("<think>hm"), respond("hm</think>x=2")))
    assert judged(of=asked, opening="<think>") == [0.0, 0.5] and len(mock.questions) == 1


def test_a_busy_server_is_asked_again(judged, mock):
    mock.reply = lambda n, question: (429 if n < 4 else 503, "busy") if n < 6 else (200, "1")
    assert judged() == [1.0, 1.0, 1.0] and len(mock.questions) == 8


def test_a_failure_does_not_count_and_is_told(judged, mock, caplog):
    mock.reply = lambda n, question: (500, "on fire") if "-8" in question else (200, "1")
    with caplog.at_level(logging.WARNING):
        assert judged() == [1.0, 1.0, None]
    assert (
        "response 2 to quadratics/0/0 does not count" in caplog.text and "500: on fire (after 3 tries)" in caplog.text
    )


def test_a_failure_ends_the_run_where_the_recipe_says_so(judged, mock):
    mock.reply = lambda n, question: (401, "who are you")
    with pytest.raises(ValueError, match="replied 401: who are you") as raised:
        judged(failure="error")
    assert len(mock.questions) == 3, "asking again would not help"
    assert raised.value.__notes__ == ["raised by reward judge of response 0 to quadratics/0/0"]


@pytest.mark.parametrize("content", ["no idea", "", None, ["0.5"]])
def test_a_reply_without_a_number_is_a_failure(judged, mock, content):
    mock.reply = lambda n, question: (200, content)
    assert judged() == [None, None, None]


def test_a_server_that_is_not_there_is_a_failure(judged, mock):
    assert judged(url="http://127.0.0.1:9/v1") == [None, None, None]


def test_a_reply_that_does_not_come_is_waited_for_no_longer_than_said(judged, mock):
    slow = threading.Event()
    mock.reply = lambda n, question: (slow.wait(5), (200, "1"))[1]
    begun = time.monotonic()
    assert judged(seconds=0.2, tries=2) == [None, None, None]
    assert time.monotonic() - begun < 3
    slow.set()


def test_no_more_are_asked_at_once_than_said(judged, mock):
    mock.reply = lambda n, question: (time.sleep(0.05), (200, "1"))[1]
    assert judged(at_once=2) == [1.0, 1.0, 1.0] and mock.most_at_once == 2


def test_the_key_comes_from_the_environment_and_stands_in_no_recipe(judged, mock, monkeypatch, caplog):
    assert judged() and mock.keys == [None] * 3
    monkeypatch.setenv("MY_KEY", "sk-secret")
    mock.reply = lambda n, question: (500, "no")
    judged(key="MY_KEY", tries=1)
    assert mock.keys[3:] == ["Bearer sk-secret"] * 3
    words = ["reward.judge=1", f"judge.url={mock.url}", "judge.model=wise", "judge.key=MY_KEY"]
    assert "sk-secret" not in dump_recipe(load_recipe(overrides=words)) + caplog.text


def test_the_judge_of_all_rewards_weighs_it(mock, group):
    asked = JudgeSettings(url=mock.url, model="wise")
    judge = Judge(RewardSettings(judge=0.5), Quadratics(), judge=asked)
    for _ in range(2):  # each scoring has an event loop of its own
        [scores] = judge.score([group])
        assert [score.parts["judge"] for score in scores] == [0.5] * 3
    assert [score.value for score in scores] == [1.25, 1.05, 0.45]


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        *[("0.5", 0.5), ("Score: -1", -1.0), ("<think>7</think>3/10\n.5", 0.5), ("v2 gives 8.", 8.0), ("+1e", None)],
        *[("Score: 3/10", None), ("0.2 out of 1", None), ("11", None), ("1000000", None), ("-1.5", None)],
    ],
)
def test_which_number_is_read(reply, number):
    if number is None:
        with pytest.raises(ValueError, match=r"number|does not lie in -1 to 10"):
            number_in(reply, -1, 10)
    else:
        assert number_in(reply, -1, 10) == number


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("{anser}", r"did you mean \{answer\}"),
        ("{problem}", "shows nothing of the response"),
        ("{answer", "cannot be read"),
        ("{0} {answer}", r"has \{0\}"),
    ],
)
def test_a_prompt_that_cannot_be_filled_is_refused(prompt, said):
    with pytest.raises(ValueError, match=said):
        require_prompt(prompt)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reward.judge=1"], r"judge\.url is ''"),
        (["reward.judge=1", "judge.url=localhost", "judge.model=m"], "name a server"),
        (["judge.failure=eror"], "did you mean error"),
        (["judge.at_once=0"], r"judge\.at_once is 0: take at least 1"),
        (["judge.range=[1, 0]"], r"judge\.range is \[1\.0, 0\.0\]"),
        (["judge.prompt={problem}"], r"judge\.prompt shows nothing of the response"),
        (["code.sandbox=bublewrap"], "did you mean bubblewrap"),
        (["code.seconds=0"], r"code\.seconds is 0: take at least 1"),
        (["code.memory=1"], r"code\.memory is 1: take at least 64"),
    ],
)
def test_wrong_settings_are_named(words, said):
    with pytest.raises(ValueError, match=said):
        load_recipe(overrides=words)


def test_without_a_server_nobody_is_asked():
    with pytest.raises(ValueError, match="name a server"):
        Judge(RewardSettings(judge=1.0), Quadratics())
