import json
import re
import shutil
from itertools import product

import numpy as np
import pytest

from groupthink import cli
from groupthink.records import Group, Problem, Response
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.stage.evaluate import Evaluation, evaluate_model, grade
from groupthink.task.quadratics import Quadratics

TASK = Quadratics()
PROBLEM = Problem("q", "quadratics", "Solve x^2-5x+6=0", "x=2, x=3", {"a": 1, "p": 2, "q": 3})


def a_response(text, finish="stop"):
    floats = np.zeros(3, np.float32)
    return Response(np.arange(3), np.ones(3, bool), floats, floats, np.zeros(3, np.int64), text, finish, seed=0)


@pytest.mark.parametrize(
    ("text", "finish", "right", "lenient", "extracted"),
    [
        ("<think>2*3=6</think>x=2, x=3", "stop", True, True, "x=2, x=3"),
        ("<think>2*3=6</think>x=3, x=2", "stop", True, True, "x=2, x=3"),
        ("<think>2*3=6</think>x=2, x=3", "length", False, True, "x=2, x=3"),
        ("<think>2*3=6</think>x=1, x=3", "stop", False, False, "x=1, x=3"),
        ("x=2, x=3", "stop", False, True, "x=2, x=3"),
        ("<think>x=2, x=3", "length", False, True, None),
    ],
)
def test_right_is_an_accurate_answer_in_the_format_that_the_policy_ended(text, finish, right, lenient, extracted):
    found = grade(TASK, PROBLEM, a_response(text, finish))
    assert (found.right, found.lenient, found.extracted) == (right, lenient, extracted)


@pytest.mark.parametrize("opened", [False, True])
def test_right_is_what_earns_the_judge_s_accuracy_and_format(opened):
    starts, answers = ("", "<think>", "2*3</think>", "<think>2*3</think>"), ("", "x=2, x=3", "x=3", "x=2,x=3</think>")
    responses = [a_response(a + b, finish) for a, b, finish in product(starts, answers, ("stop", "length"))]
    scores = Judge(RewardSettings(), TASK, opened=opened).score([Group(PROBLEM, np.arange(2), tuple(responses))])[0]
    right = [grade(TASK, PROBLEM, response, opened=opened).right for response in responses]
    assert right == [score.parts["accuracy"] == score.parts["format"] == 1 for score in scores]
    assert any(right)


def test_a_prompt_of_messages_is_kept_as_json():
    messages = ({"role": "system", "content": "Think."}, {"role": "user", "content": "Solve x^2-5x+6=0"})
    problem = Problem("q", "quadratics", messages, "x=2, x=3", PROBLEM.info)
    row = Evaluation({}, [[grade(TASK, problem, a_response("x=2"))]], [], []).rows()[0]
    assert json.loads(row["prompt"]) == list(messages)


def test_one_object_stands_alone_on_standard_output(finished, capsys):
    words = ["eval", str(finished.path), "--problems", "3", "--samples", "2"]
    assert cli.main([*words, "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == finished.read_evaluation("after").figures
    assert captured.err == (
        f"evaluating {finished.path} on 3 problems of quadratics (held_out): "
        "2 sampled at temperature 1 and 1 greedy for each\n"
    )
    assert cli.main(words) == 0
    assert re.match(r"pass@1 +\d+\.\d%   95 % interval ", capsys.readouterr().out)


def test_a_task_without_names_for_what_chains_do_gives_none(finished):
    figures = evaluate_model(str(finished.path), task="arithmetic", problems=2, samples=1)
    assert figures["problems"] == 2 and figures["traits"] == {}


def test_a_run_is_asked_from_its_own_split_unless_another_is_named(finished, tmp_path):
    run = shutil.copytree(finished.path, tmp_path / "run")
    recipe = run / "recipe.toml"
    recipe.write_text(recipe.read_text().replace('split = "held_out"', 'split = "beyond"'))
    told = []
    for given in ({}, {"split": "held_out"}, {"task": "quadratics"}):
        evaluate_model(str(run / "model"), problems=1, samples=1, note=told.append, **given)
    assert [re.findall(r"\((\w+)\)", text) for text in told] == [["beyond"], ["held_out"], ["held_out"]]
