"""Sets of tasks of the second interface: their problems, and what a trace earns."""

import pytest

from groupthink.task import notes_of
from groupthink.task.environment_v1 import ENDLESS
from groupthink.task.reply import reply_of
from tests_peers.verifiers.conftest import a_group, has_tasksets, rewards

pytestmark = pytest.mark.skipif(not has_tasksets(), reason="this version has conversations alone")


def test_the_problems_and_what_is_held_out(opened):
    task = opened("tasksets.py", largest=30)
    problems = task.sample(0, task.size) + task.held_out(30)
    assert len(problems) == 30 and task.size < 30
    for problem in problems:
        n = problem.info["place"]
        assert problem.prompt == ({"role": "system", "content": "Add."}, {"role": "user", "content": f"{n}+1="})
        assert problem.answer == str(n + 1)
    assert "SumTaskset" in notes_of(task)[0] and reply_of(task) is None


def test_what_a_task_gives_each_response_of_a_group(opened):
    task = opened("tasksets.py")
    problem = task.sample(0, 1)[0]
    talks = [(f"<think>1</think>{problem.answer}",), (str(problem.answer),), ("<think>1</think>7777",), ("<think>1",)]
    assert rewards(task, a_group(problem, *talks)) == [(1.5, True), (1.0, True), (0.5, False), (0.5, False)]
    [[first, *_]] = task.assess([a_group(problem, *talks)])
    assert first.verdict.note == "right 1, thoughtful 1" and first.verdict.extracted == problem.answer


def test_a_set_without_an_end_gives_its_first_tasks(opened):
    task = opened("tasksets.py:EndlessTaskset")
    assert task.size + len(task.held_out(ENDLESS)) == ENDLESS and "has no end" in notes_of(task)[1]


def test_a_reward_that_looks_at_a_runtime_is_refused(opened):
    with pytest.raises(ValueError, match="look at a runtime, and there is none: passes"):
        opened("tasksets.py:BoxTaskset")


def test_an_argument_that_is_not_one_is_refused(opened):
    with pytest.raises(ValueError, match=r"SumTaskset takes no argument 'larges' \(it takes: .*largest"):
        opened("tasksets.py", larges=3)
