import asyncio
import dataclasses
import gc
import itertools
import warnings

import numpy as np
import pytest

from groupthink.records import Group
from groupthink.reward.judge import Judge, weighted_sum
from groupthink.reward.settings import RewardSettings
from groupthink.task import open_tasks
from groupthink.task.quadratics import Quadratics
from groupthink.task.settings import TaskSettings


def judge_with(tmp_path, source: str, weight: float = 0.1) -> tuple[Judge, str]:
    (tmp_path / "mine.py").write_text(source)
    name = f"{tmp_path / 'mine.py'}:f"
    return Judge(RewardSettings(functions={name: weight}), Quadratics()), name


def test_the_seeds_three_responses_earn_exactly_its_rewards(group):
    [scores] = Judge(RewardSettings(), Quadratics()).score([group])
    assert [score.value for score in scores] == [1.0, 0.8, 0.2]
    assert [dict(score.parts) for score in scores] == [
        {"accuracy": 1.0, "format": 1.0, "brevity": 1.0},
        {"accuracy": 1.0, "format": 1.0, "brevity": 0.0},
        {"accuracy": 0.0, "format": 1.0, "brevity": 0.0},
    ]
    assert [score.extracted for score in scores] == ["x=2, x=3", "x=2, x=3", "x=-8, x=-2"]
    assert "x=2, x=3" in scores[2].note


def test_a_reply_is_not_held_against_a_brief_response(group):
    right, long, wrong = group.responses
    replied = dataclasses.replace(long, sampled_T=np.arange(200) < 40)  # the rest is a tool's
    [scores] = Judge(RewardSettings(), Quadratics()).score(
        [dataclasses.replace(group, responses=(right, replied, wrong))]
    )
    assert [score.parts["brevity"] for score in scores] == [1.0, 1.0, 0.0]


def test_the_value_does_not_depend_on_the_order_of_the_parts():
    weights = {"accuracy": 0.6, "format": 0.2, "brevity": 0.2, "other": 0.1}
    parts = {"accuracy": 1.0, "format": 1.0, "brevity": 1.0, "other": 0.3}
    orders = [dict(order) for order in itertools.permutations(parts.items())]
    assert {weighted_sum(order, weights) for order in orders} == {1.03}


def test_scores_stand_in_the_order_of_groups_and_responses(group):
    turned = dataclasses.replace(group, responses=group.responses[::-1])
    scores = Judge(RewardSettings(), Quadratics()).score([group, turned])
    assert [[score.value for score in row] for row in scores] == [[1.0, 0.8, 0.2], [0.2, 0.8, 1.0]]


def test_a_prompt_that_opens_the_chain(group, respond):
    inside = dataclasses.replace(group, responses=(respond("2*3=6</think>x=2, x=3"), respond("2*3=6 x=2, x=3")))
    [closed, unclosed] = Judge(RewardSettings(), Quadratics(), opening="<think>").score([inside])[0]
    assert closed.value == 1.0
    assert (unclosed.value, unclosed.note) == (0.0, "no answer")


def test_a_prompt_that_leaves_the_chain_out(group, respond):
    texts = ("x=2, x=3", "<think>2*3=6</think>x=2, x=3", "2*3=6</think>x=2, x=3", "")
    after = dataclasses.replace(group, responses=tuple(map(respond, texts)))
    plain, again, closed, silent = Judge(RewardSettings(), Quadratics(), opening="<think></think>").score([after])[0]
    assert plain.parts == {"accuracy": 1.0, "format": 1.0, "brevity": 1.0}
    assert [score.parts["format"] for score in (again, closed, silent)] == [0.0, 0.0, 0.0]
    assert (silent.value, silent.note) == (0.0, "no answer")


def test_functions_are_weighed_and_recorded(group, tmp_path):
    judge, name = judge_with(tmp_path, "def f(problem, response):\n    return len(response) / 40\n")
    [scores] = judge.score([group])
    assert [score.parts[name] for score in scores] == [1.0, 5.0, 1.0]
    assert [score.value for score in scores] == pytest.approx([1.1, 1.3, 0.3])


@pytest.mark.fault("B2")
def test_none_does_not_count_and_the_other_weights_stay(group, tmp_path):
    judge, name = judge_with(tmp_path, "def f(problem, response):\n    return None\n")
    [scores] = judge.score([group])
    assert [score.parts[name] for score in scores] == [None, None, None]
    assert [score.value for score in scores] == [1.0, 0.8, 0.2]


def test_nan_is_an_error(group, tmp_path):
    judge, _ = judge_with(tmp_path, "def f(problem, response):\n    return float('nan')\n")
    with pytest.raises(ValueError, match="gave nan for response 0 to problem quadratics/0/0"):
        judge.score([group])


def test_it_scores_inside_a_loop_that_runs_already_as_in_a_notebook(group, tmp_path):
    judge, name = judge_with(tmp_path, "async def f(problem, response):\n    return 1.0\n")

    async def cell():
        return judge.score([group])

    [scores] = asyncio.run(cell())
    assert [score.parts[name] for score in scores] == [1.0, 1.0, 1.0]


def test_a_signal_before_the_first_reward_leaves_nothing_that_python_warns_of(group, tmp_path, monkeypatch):
    judge, _ = judge_with(tmp_path, "def f(problem, response):\n    return 1.0\n")

    def interrupted(thread):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        patched.setattr("threading.Thread.start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            judge.score([group])
        gc.collect()
    assert not told


def test_a_mixture_tells_the_rule_of_each_problem_and_a_step_is_judged_by_it(tmp_path, respond):
    rows = "".join(f'{{"question": "{n} + {n}?", "answer": "{2 * n}"}}\n' for n in range(9))
    (tmp_path / "sums.jsonl").write_text(rows)
    (tmp_path / "mine.py").write_text("def double(seed, index):\n    return f'Twice {index}?', 2 * index\n")
    names = (f"data:{tmp_path / 'sums.jsonl'}", f"{tmp_path / 'mine.py'}:double", "arithmetic")
    task = open_tasks(TaskSettings(mixture=names, held_out=0.3), 0)
    problems = task.sample(0, 9)
    assert sorted(task.rule_of(problem) is not None for problem in problems) == [False] * 3 + [True] * 6
    groups = [
        Group(problem, np.array([1]), (respond(f"<think>.</think>{problem.answer}"), respond("<think>.</think>-777")))
        for problem in problems
    ]
    scores = Judge(RewardSettings(), task).score(groups)
    assert [[score.parts["accuracy"] for score in group] for group in scores] == [[1.0, 0.0]] * 9
    task.close()
