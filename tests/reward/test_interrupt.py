"""A function of the user's that takes too long is ended, does not count, and costs the others nothing."""

import os
import signal
import threading
import time
from functools import partial

import pytest

from groupthink.reward import interrupt
from groupthink.reward.beside import here, run_beside
from groupthink.reward.functions import MOST_LATE, as_reward
from groupthink.reward.interrupt import Call, TooLong
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.task.answer import open_rule

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")

PATIENCE = 0.3
PYTHON = """\
    while True:
        pass"""
CATCHING = """\
    while True:
        try:
            time.sleep(1000)
        except Exception:
            pass"""
SOCKET = """\
    ours, theirs = socket.socketpair()
    ours.recv(1)"""
FILE = """\
import asyncio, re, socket, time

asked = []

{define} f(problem, response):
    asked.append(response)
    if len(asked) != 2:
        return 0.5
{hang}
"""


class Task:
    def __init__(self):
        self.rule = open_rule("number")

    def rule_of(self, problem):
        return self.rule


@pytest.fixture
def judge(tmp_path):
    def open_judge(hang, define="def"):
        file = tmp_path / "mine.py"
        file.write_text(FILE.format(hang=hang, define=define))
        return Judge(RewardSettings(functions={f"{file}:f": 2.0}, patience=PATIENCE), Task())

    return open_judge


@pytest.mark.fault("F20")
@pytest.mark.parametrize(
    ("hang", "define"),
    [
        pytest.param(PYTHON, "def", id="python"),
        pytest.param("    time.sleep(1000)", "def", id="sleep"),
        pytest.param("    re.match('(a+)+$', 'a' * 60 + 'b')", "def", id="regular expression"),
        pytest.param(SOCKET, "def", id="socket"),
        pytest.param(CATCHING, "def", id="catching"),
        pytest.param("    await asyncio.sleep(1000)", "async def", id="async"),
    ],
)
def test_a_function_that_hangs_is_ended_and_the_next_response_is_scored(hang, define, judge, group):
    began = time.monotonic()
    [scores] = judge(hang, define).score([group])
    assert time.monotonic() - began < 20
    (name,) = (name for name in scores[0].parts if name.endswith("mine.py:f"))
    assert [score.parts[name] for score in scores] == [0.5, None, 0.5]
    notes = [score.note for score in scores]
    assert f"{name}: it gave nothing within 0.3 s (reward.patience)" in notes[1]
    assert "reward.patience" not in notes[0] + notes[2]


@pytest.mark.fault("F20")
def test_what_never_answers_does_not_count_and_the_third_in_a_row_is_an_error(group):
    def never(problem, response):
        time.sleep(1000)

    with pytest.raises(TimeoutError, match=r"within 0\.05 s \(reward\.patience\)") as late:
        run_beside(partial(as_reward(never, "my.py:never", 0.05), group))
    told = f"reward my.py:never of response {MOST_LATE - 1} to {group.problem.id}"
    assert any(told in note for note in late.value.__notes__)
    assert any("response 0 to" in note and "response 1 to" in note for note in late.value.__notes__)


def test_late_calls_with_others_in_between_are_no_error(group):
    asked = []

    def every_other(group):
        asked.append(group)
        if len(asked) % 2:
            time.sleep(1000)
        return [1.0, 2.0, 3.0]

    reward = as_reward(every_other, "my.py:f", 0.05)
    for _ in range(MOST_LATE + 1):
        assert [value.value for value in run_beside(partial(reward, group))] == [None] * 3
        assert run_beside(partial(reward, group)) == [1.0, 2.0, 3.0]


def test_one_that_catches_everything_is_interrupted_again(monkeypatch):
    monkeypatch.setattr(interrupt, "AGAIN", 0.1)
    caught = []

    def stubborn():
        while len(caught) < 3:
            try:
                time.sleep(1000)
            except BaseException:
                caught.append(time.monotonic())
        time.sleep(1000)

    with pytest.raises(TooLong):
        run_beside(partial(here, stubborn, 0.1))
    assert len(caught) == 3


def test_what_ends_in_time_is_left_alone_and_so_is_what_comes_after_it():
    def sent():
        signal.pthread_kill(threading.main_thread().ident, interrupt.NUMBER)
        return signal.getsignal(interrupt.NUMBER)

    call = Call(sent, 60.0)
    assert call() == call._interrupted  # it was meant for another
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
    assert sent() == interrupt._nothing  # one that comes late harms nobody
    signal.signal(interrupt.NUMBER, mine := lambda *_: None)
    try:
        assert Call(lambda: 1, 60.0)() == 1 and signal.getsignal(interrupt.NUMBER) is mine
    finally:
        signal.signal(interrupt.NUMBER, interrupt._nothing)


def test_its_own_errors_stay_its_own():
    def fails():
        raise TimeoutError("of its own")

    with pytest.raises(TimeoutError, match="of its own") as raised:
        run_beside(partial(here, fails, 60.0))
    assert not isinstance(raised.value, TooLong)


def test_in_another_thread_nothing_interrupts_it():
    found = []

    def ask():
        found.append(run_beside(partial(here, lambda: time.sleep(0.6) or "done", 0.1)))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join(30)
    assert found == ["done"]
