import json
import re
import shutil
from dataclasses import replace
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from groupthink import cli
from groupthink.model.chat import Chat
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Group, Problem, Response
from groupthink.reward.judge import Judge
from groupthink.reward.sandbox import Confinement
from groupthink.reward.settings import RewardSettings
from groupthink.stage.evaluate import Evaluation, _whom, asked_in_words, evaluate, evaluate_model, summarise
from groupthink.stage.grade import UNKNOWN, grade
from groupthink.task.quadratics import Quadratics, held_out_pairs
from groupthink.task.scoring import Assessment
from groupthink.task.verdict import Verdict

TASK = Quadratics()
PROBLEM = Problem("q", "quadratics", "Solve x^2-5x+6=0", "x=2, x=3", {"a": 1, "p": 2, "q": 3})


def a_response(text, finish="stop"):
    floats = np.zeros(3, np.float32)
    return Response(np.arange(3), np.ones(3, bool), floats, floats, np.zeros(3, np.int64), text, finish, seed=0)


def grade_one(response, problem=PROBLEM, task=TASK, **how):
    [[found]] = grade(task, [Group(problem, np.arange(2), (response,))], **how)
    return found


@pytest.mark.parametrize(
    ("text", "finish", "right", "lenient", "extracted"),
    [
        ("<think>2*3=6</think>x=2, x=3", "stop", True, True, "x=2, x=3"),
        ("<think>2*3=6</think>x=3, x=2", "stop", True, True, "x=2, x=3"),
        ("<think>2*3=6</think>x=2, x=3", "length", False, True, "x=2, x=3"),
        ("<think>2*3=6</think>x=1, x=3", "stop", False, False, "x=1, x=3"),
        ("<think>2*3=6</think>2, 3", "stop", True, True, "x=2, x=3"),  # right roots without a label
        ("x=2, x=3", "stop", False, True, "x=2, x=3"),
        ("<think>x=2, x=3", "length", False, True, None),
    ],
)
def test_right_is_an_accurate_answer_in_the_format_that_the_policy_ended(text, finish, right, lenient, extracted):
    found = grade_one(a_response(text, finish))
    assert (found.right, found.lenient, found.extracted) == (right, lenient, extracted)


@pytest.mark.parametrize("opening", ["", "<think>", "<think></think>"])
def test_right_is_what_earns_the_judge_s_accuracy_and_format(opening):
    starts, answers = ("", "<think>", "2*3</think>", "<think>2*3</think>"), ("", "x=2, x=3", "x=3", "x=2,x=3</think>")
    responses = [a_response(a + b, finish) for a, b, finish in product(starts, answers, ("stop", "length"))]
    group = Group(PROBLEM, np.arange(2), tuple(responses))
    scores = Judge(RewardSettings(), TASK, opening=opening).score([group])[0]
    right = [found.right for found in grade(TASK, [group], opening=opening)[0]]
    assert right == [score.parts["accuracy"] == score.parts["format"] == 1 for score in scores]
    assert any(right)


def test_where_a_task_scores_whole_responses_its_verdict_counts_and_not_its_answers():
    class Whole(Quadratics):
        def assess(self, groups, opening):
            verdicts = [[Verdict("ok" in each.text, "whole") for each in group.responses] for group in groups]
            return [
                [Assessment(verdict, reward) for verdict, reward in zip(row, given, strict=True)] for row in verdicts
            ]

    given = (0.25, None, 0.75)
    responses = tuple(map(a_response, ("<think>ok</think>x=1, x=1", "<think>2*3=6</think>x=2, x=3", "ok")))
    [found] = grade(Whole(), [Group(PROBLEM, np.arange(2), responses)])
    assert [(one.right, one.lenient, one.extracted) for one in found] == [
        (True, True, "whole"),
        (False, False, "whole"),
        (True, True, "whole"),  # our own format is not asked for
    ]
    assert [one.environment for one in found] == [0.25, None, 0.75]
    assert summarise([found], [found[:1]])["environment"] == 0.5
    assert [row["environment"] for row in Evaluation({}, [found], [], []).rows()] == [0.25, None, 0.75]


CHAINS = {
    "right": ("<think>D=1\ncheck: 2+3=5 ok</think>x=2, x=3", "stop"),
    "at once": ("<think></think>x=2, x=3", "stop"),
    "wrong": ("<think>D=1</think>x=1, x=3", "stop"),
    "cut": ("<think>D=1</think>x=2, x=3", "length"),
    "silent": ("<think>D=1", "length"),
}


def graded(*names):
    return [grade_one(a_response(*CHAINS[name])) for name in names]


@pytest.mark.parametrize(
    ("stage", "said", "unsaid"),
    [
        ("evaluate", "groupthink report", ("model", "--resume")),
        ("sample", "The data set is in", ("The model is in", "--resume")),
        ("sft", "The model is in", ("rollouts",)),
        ("grpo", "/rollouts", ()),
    ],
)
def test_a_run_s_last_words_send_to_what_it_has_made_and_to_nothing_else(place, tmp_path, capsys, stage, said, unsaid):
    words = [str(place / "grpo.toml"), f"stage={stage}", "sample.problems=2", "sample.responses=1", "steps=1"]
    assert cli.main(["train", *words, "--run", str(tmp_path / "run")]) == 0
    closing = capsys.readouterr().out.rpartition("\n\n")[2]
    assert said in closing and not [word for word in unsaid if word in closing]
    assert "rollouts" not in closing or (tmp_path / "run" / "rollouts").is_dir()


def test_the_figures_of_an_evaluation_worked_by_hand():
    sampled = [graded("right", "wrong", "at once"), graded("cut", "wrong", "wrong"), graded("cut", "right", "silent")]
    figures = summarise(sampled, [graded("right"), graded("wrong"), graded("silent")])
    assert figures["pass@1"] == pytest.approx(3 / 9) and figures["pass@k"] == pytest.approx(2 / 3)
    assert figures["maj@k"] == pytest.approx(2 / 3)  # the wrong one has the most votes of the second problem
    assert figures["greedy"] == pytest.approx(1 / 3) and figures["lenient"] == pytest.approx(5 / 9)
    assert 0 <= figures["pass@1_low"] < 3 / 9 < figures["pass@1_high"] <= 2 / 3
    assert (figures["problems"], figures["samples"], figures["length"]) == (3, 3, 3.0)
    assert figures["truncated"] == pytest.approx(3 / 9) and figures["environment"] is None
    assert figures["traits"] == {
        "formula": {"share": pytest.approx(8 / 9), "accuracy": pytest.approx(2 / 8)},
        "checks": {"share": pytest.approx(2 / 9), "accuracy": 1.0},
        "at once": {"share": pytest.approx(1 / 9), "accuracy": 1.0},
    }


class Unknowing(Quadratics):
    """Reads answers, and knows none."""

    def verify(self, problem, text, lenient=False):
        return replace(super().verify(problem, text, lenient), right=None, note="")


class Untold:
    """A task whose problems bring tests and no answers."""

    def verify(self, problem, text, lenient=False):
        return Verdict(None, None, "its tests decide")

    def traits(self, reasoning):
        return frozenset({"reasons"} if reasoning else ())


DOUBLE = Problem("double", "programs", "Double it.", info={"tests": [["1", "2"], ["4", "8"]]})
TWICE, THRICE = (f"```python\nprint({factor} * int(input()))\n```" for factor in (2, 3))
BARE = Confinement(sandbox="none")  # what is run here is the tests' own


def test_where_nobody_knows_what_is_right_a_response_is_neither_right_nor_wrong():
    texts = [("<think>1</think>x=2, x=3", "stop"), ("<think>1", "length")]  # the second one without an answer
    [row] = grade(Unknowing(), [Group(PROBLEM, np.arange(2), tuple(a_response(*text) for text in texts))])
    assert [(one.right, one.lenient, one.why) for one in row] == [(None, None, UNKNOWN)] * 2
    assert row[0].extracted == "x=2, x=3"
    figures = summarise([row], [row[:1]])
    rates = ("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient")
    assert [figures[name] for name in rates] == [None] * len(rates)
    assert (figures["problems"], figures["samples"], figures["unjudged"]) == (1, 2, {UNKNOWN: 1})
    assert all(trait["accuracy"] is None for trait in figures["traits"].values())


def test_what_is_known_of_a_problem_holds_for_all_of_its_responses():
    """Greedy decoding gave no answer: by itself that would be a wrong one."""
    answered, silent = a_response("<think>1</think>x=2, x=3"), a_response("<think>1", "length")
    groups = [Group(PROBLEM, np.arange(2), (response,)) for response in (answered, silent)]
    assert [row[0].right for row in grade(Unknowing(), groups)] == [None, None]
    assert [row[0].right for row in grade(TASK, groups)] == [True, False]


def test_shares_are_of_the_problems_that_can_be_judged():
    other = Group(replace(PROBLEM, id="r"), np.arange(2), (a_response("<think>1</think>x=2"),) * 3)
    [row] = grade(Unknowing(), [other])
    sampled = [graded("right", "wrong", "at once"), row]
    figures = summarise(sampled, [graded("right"), row[:1]])
    assert figures["pass@1"] == pytest.approx(2 / 3) and figures["greedy"] == 1.0 and figures["maj@k"] == 1.0
    assert figures["problems"] == 2 and figures["unjudged"] == {UNKNOWN: 1}


@pytest.mark.parametrize(
    ("text", "finish", "right", "lenient"),
    [
        (f"<think>twice</think>{TWICE}", "stop", True, True),
        (f"<think>twice</think>{TWICE}", "length", False, True),
        (f"It is {TWICE}", "stop", False, False),  # the fence must stand on a line of its own
        (f"It is\n{TWICE}", "stop", False, True),
        (f"<think>thrice</think>{THRICE}", "stop", False, False),
        ("<think>twice</think>2x", "stop", False, False),
    ],
)
def test_a_program_is_right_where_it_passes_all_tests_of_its_problem(text, finish, right, lenient):
    found = grade_one(a_response(text, finish), DOUBLE, Untold(), where=BARE)
    assert (found.right, found.lenient, found.by_tests, found.why) == (right, lenient, True, "")


def test_the_figures_of_programs_have_no_vote():
    responses = tuple(a_response(f"<think>hm</think>{program}") for program in (TWICE, THRICE, TWICE, TWICE))
    [row] = grade(Untold(), [Group(DOUBLE, np.arange(2), responses)], where=BARE)
    figures = summarise([row], [row[:1]])
    assert (figures["pass@1"], figures["pass@k"], figures["greedy"], figures["maj@k"]) == (0.75, 1.0, 1.0, None)
    assert figures["traits"] == {"reasons": {"share": 1.0, "accuracy": 0.75}} and figures["unjudged"] == {}


def test_where_programs_cannot_be_run_nobody_knows_and_the_reason_is_told(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    found = grade_one(a_response(f"<think>twice</think>{TWICE}"), DOUBLE, Untold())
    assert (found.right, found.lenient) == (None, None) and "there is no bwrap: install it" in found.why


def test_tests_that_cannot_be_read_are_a_reason_too_and_no_end():
    broken = replace(DOUBLE, id="broken", info={"tests": 3})
    found = grade_one(a_response(f"<think>twice</think>{TWICE}"), broken, Untold(), where=BARE)
    assert found.right is None and "broken has tests that cannot be used" in found.why


class Asked:
    """An engine that writes down what it is asked, and answers as if it knew."""

    def __init__(self):
        self.samplings, self.problems = [], []

    def submit(self, prompt_ids, sampling, seed):
        self.samplings.append(sampling)
        written = (a_response("<think>1</think>x=2"),) * sampling.n
        return SimpleNamespace(start=lambda: None, result=lambda: written)


def test_what_is_asked_is_held_out_sampled_greedy_and_cool():
    engine = Asked()
    found = evaluate(engine, Chat(build_tokenizer()), TASK, problems=5, samples=3, max_tokens=77, cool_samples=2)
    asked = [(sampling.temperature, sampling.n, sampling.max_tokens) for sampling in engine.samplings]
    assert asked == [(1.0, 3, 77)] * 5 + [(0.0, 1, 77)] * 5 + [(0.5, 2, 77)] * 5
    for table in (found.sampled, found.greedy, found.cool):
        problems = [row[0].problem for row in table]
        roots = {tuple(sorted((problem.info["p"], problem.info["q"]))) for problem in problems}
        assert len(roots) == 5 and roots <= held_out_pairs()


def test_a_prompt_of_messages_is_kept_as_json():
    messages = ({"role": "system", "content": "Think."}, {"role": "user", "content": "Solve x^2-5x+6=0"})
    problem = Problem("q", "quadratics", messages, "x=2, x=3", PROBLEM.info)
    row = Evaluation({}, [[grade_one(a_response("x=2"), problem)]], [], []).rows()[0]
    assert json.loads(row["prompt"]) == list(messages)


def test_it_is_said_what_is_asked_of_whom():
    assert asked_in_words(200, 16, 4) == (
        "200 held-out problems: 16 samples and 1 greedy response to each, and 4 at temperature 0.5"
    )
    assert asked_in_words(20, 4) == "20 held-out problems: 4 samples and 1 greedy response to each"
    names = ("before", "step-000040", "after")
    assert [_whom(name) for name in names] == [
        "the model before training",
        "the model after 40 steps",
        "the trained model",
    ]


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
