"""Environments of the first interface: their problems, their replies, what their rubrics give."""

import os

import pytest

from groupthink.task import notes_of
from groupthink.task.reply import reply_of
from tests_peers.verifiers.conftest import a_group, has_conversations, rewards

pytestmark = pytest.mark.skipif(not has_conversations(), reason="this version has tasksets alone")


def test_the_problems_and_what_is_held_out(opened):
    task = opened("conversations.py")
    problems = task.sample(0, task.size) + task.held_out(20)
    assert len(problems) == 20
    for problem in problems:
        n = problem.info["place"]
        assert problem.prompt == ({"role": "system", "content": "Add."}, {"role": "user", "content": f"{n}+1="})
        assert problem.answer == str(n + 1) and problem.info["level"] == n
    own = opened("conversations.py:load_environment", own=True, largest=7)
    assert [problem.answer for problem in own.held_out(9)] == ["101", "102", "103", "104", "105"] and own.size == 7
    assert "SingleTurnEnv" in notes_of(own)[0]
    assert reply_of(task) is None


def test_what_the_rubric_gives_each_response_of_a_group(opened):
    task = opened("conversations.py")
    problem = task.sample(0, 1)[0]
    talks = [(f"<think>1</think>{problem.answer}",), (problem.answer + " " * 50,), ("7777",)]
    assert rewards(task, a_group(problem, *talks)) == [(1.5, True), (1.0, True), (0.5, False)]
    [[first, *_]] = task.assess([a_group(problem, *talks)])
    assert first.verdict.note.startswith(f"right 1, brief 1, seen {problem.info['level']:g}")
    assert task.verify(problem, str(problem.answer)).right


def test_a_conversation_goes_on_until_the_environment_ends_it(opened):
    task = opened("conversations.py:load_guessing")
    problem = next(problem for problem in task.sample(0, task.size) if 3 < int(problem.answer) < 17)
    say, low, high = reply_of(task), {"role": "user", "content": "too low"}, {"role": "user", "content": "too high"}
    assert say(problem, ("0",)) == (low,)
    assert say(problem, ("0", "too low", "19")) == (high,)
    assert say(problem, ("0", "too low", str(problem.answer))) is None
    assert say(problem, ("0", "too low", "19", "too high", "1")) is None  # three turns are all that there are
    given = rewards(
        task,
        a_group(
            problem,
            (str(problem.answer),),
            ("0", "too low", str(problem.answer)),
            ("0",),  # cut short: the environment would have gone on
        ),
    )
    assert given == [(1.5, True), (1.25, True), (0.5, False)]


def test_what_the_environment_cannot_bear_earns_nothing_and_takes_nothing_from_others(opened):
    task = opened("conversations.py:load_guessing")
    problem = task.sample(0, 1)[0]
    assert reply_of(task)(problem, ("no number",)) is None
    assert rewards(task, a_group(problem, ("no number",), (str(problem.answer),))) == [(0.0, False), (1.5, True)]


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("conversations.py:load_with_tools", "has tools"),
        ("conversations.py:load_without_rewards", "nothing to earn"),
        ("conversations.py:load_guesing", "did you mean load_guessing"),
    ],
)
def test_what_cannot_be_learned_from_is_refused_in_words(opened, place, why):
    with pytest.raises(ValueError, match=why):
        opened(place)


def test_an_argument_that_is_not_one_is_refused(opened):
    with pytest.raises(ValueError, match=r"larges.*load_environment:key"):
        opened("conversations.py:load_environment", larges=3)


def test_it_works_in_a_process_of_its_own(opened):
    import signal

    before = signal.getsignal(signal.SIGTERM)
    task = opened("conversations.py")
    assert task._aside.call(os.getpid) != os.getpid()
    assert signal.getsignal(signal.SIGTERM) == before
