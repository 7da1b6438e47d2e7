import pytest

from groupthink.chain import read_chain
from groupthink.records import Problem
from groupthink.reward.accuracy import accuracy, verify
from groupthink.reward.brevity import brevity
from groupthink.reward.format import adherence
from groupthink.task.quadratics import Quadratics

PROBLEM = Problem(id="quadratics/0/0", task="quadratics", prompt="Solve x^2-5x+6=0", answer="x=2, x=3")


@pytest.mark.parametrize(
    ("tokens", "expected"), [(0, 1.0), (128, 1.0), (144, 0.75), (160, 0.5), (191, 1 / 64), (192, 0.0), (1000, 0.0)]
)
def test_brevity_falls_linearly_from_brief_to_long(tokens, expected):
    assert brevity(tokens, right=True, brief=128, long=192) == expected


def test_a_wrong_answer_earns_nothing_for_being_short():
    assert brevity(1, right=False, brief=128, long=192) == 0.0


@pytest.mark.parametrize(
    ("text", "finish", "expected"),
    [
        ("<think>2*3=6</think>x=2, x=3", "stop", 1.0),
        ("<think>2*3=6</think>x=2, x=3", "length", 0.0),
        ("<think>2*3=6</think>", "stop", 0.0),
        ("<think>2*3=6", "stop", 0.0),
        ("x=2, x=3", "stop", 0.0),
        ("<think>a</think><think>b</think>x=2", "stop", 0.0),
        ("so <think>a</think>x=2", "stop", 0.0),
        ("2*3=6</think>x=2, x=3", "stop", 0.0),
        ("</think>2*3=6<think>x=2, x=3", "stop", 0.0),
    ],
)
def test_format(text, finish, expected):
    assert adherence(read_chain(text), finish) == expected


def test_where_the_prompt_opens_the_chain_the_response_need_not():
    assert adherence(read_chain("2*3=6</think>x=2, x=3", opening="<think>"), "stop") == 1.0


def test_accuracy_asks_the_task():
    right = verify(Quadratics(), PROBLEM, "x=3, x=2")
    assert (accuracy(right), right.extracted) == (1.0, "x=2, x=3")
    assert accuracy(verify(Quadratics(), PROBLEM, "x=2")) == 0.0


def test_no_answer_is_wrong_and_said_so():
    verdict = verify(Quadratics(), PROBLEM, None)
    assert (accuracy(verdict), verdict.extracted, verdict.note) == (0.0, None, "no answer")
