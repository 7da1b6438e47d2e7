"""Problems whose answers are withheld, or that nobody knows the answers to."""

import json
from pathlib import Path

import pytest

from groupthink.recipe import load_recipe
from groupthink.records import Group, Score
from groupthink.reward.accuracy import verify
from groupthink.stage.supply import Supply
from groupthink.task import open_task, open_tasks
from groupthink.task.adaptive import Adaptive
from groupthink.task.mixture import mix_tasks
from groupthink.task.reply import reply_of
from groupthink.task.scoring import Assessment, Scoring
from groupthink.task.settings import TaskSettings
from groupthink.task.unlabelled import Unlabelled
from groupthink.task.verdict import Verdict
from tests.calculator import Calculator


def write(path: Path, rows: list[dict]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.as_posix()


def test_only_training_problems_lose_their_answers():
    task = open_tasks(TaskSettings(unlabelled=True))
    (problem,), (held,) = task.sample(0, 1), task.held_out(1)
    answer = open_task("quadratics").sample(0, 1)[0].answer
    assert problem.answer is None and task.verify(problem, answer).right is None
    assert task.verify(problem, answer).extracted == answer
    assert task.verify(held, held.answer).right is True
    assert "_withheld" not in problem.columns and answer not in problem.columns.values()  # which rewards are given


def test_of_a_data_set_nothing_that_tells_the_answer_goes_along(tmp_path):
    rows = [
        {
            "question": f"{i}+{i}?",
            "answer": f"{i}+{i}=\n#### {2 * i}",
            "level": 1,
            "Solution": f"{2 * i}",
            "extra_info": {"answer": f"{2 * i}"},  # as verl has it
        }
        for i in range(40)
    ]
    task = open_tasks(TaskSettings(data=write(tmp_path / "sums.jsonl", rows), unlabelled=True, held_out=0.2))
    problems = task.sample(0, task.size)
    assert {(problem.answer, tuple(problem.info.items())) for problem in problems} == {(None, (("level", 1),))}
    assert verify(task, problems[0], "4").right is None
    (held,) = task.held_out(1)
    assert verify(task, held, held.answer).right and not verify(task, held, "x").right
    assert "the answer is its column 'answer', withheld from training" in task.notes[0]


def test_a_data_set_may_have_no_answers(tmp_path):
    rows = [{"question": f"{i}?"} for i in range(40)]
    data = write(tmp_path / "asked.jsonl", rows)
    with pytest.raises(ValueError, match=r"no column for the answer .* \(task.unlabelled=true\); there are: question"):
        open_tasks(TaskSettings(data=data, verify="number"))
    with pytest.raises(ValueError, match=r"say in task.verify how votes are compared \(exact, number"):
        open_tasks(TaskSettings(data=data, unlabelled=True))
    task = open_tasks(TaskSettings(data=data, unlabelled=True, verify="number"))
    (problem,), (held,) = task.sample(0, 1), task.held_out(1)
    assert problem.answer is held.answer is None and verify(task, held, "7").right is None
    assert task.rule_of(problem)("7", "It is 7.0").right
    assert task.notes[-1] == "no answer is known: votes are compared by the rule 'number'"


def test_problems_with_answers_are_held_out_where_there_are_any(tmp_path):
    asked = [{"question": f"{i}?"} for i in range(40)]
    known = [{"question": f"{i}!", "answer": i} for i in range(20)]
    mixed = write(tmp_path / "mixed.jsonl", asked + known)
    task = open_tasks(TaskSettings(data=mixed, unlabelled=True, held_out=0.3))
    assert task.held_out(99) and all(problem.answer is not None for problem in task.held_out(99))
    assert task.size + len(task.held_out(99)) == 60
    write(tmp_path / "two/train.jsonl", asked)
    write(tmp_path / "two/test.jsonl", [*known, {"question": "nobody knows?"}])
    task = open_tasks(TaskSettings(data=f"{tmp_path.as_posix()}/two", unlabelled=True, split="test"))
    assert task.size == 40 and len(task.held_out(99)) == 20 and verify(task, task.held_out(1)[0], "none").right is False


def test_what_the_task_may_have_beside_goes_through(tmp_path):
    assert reply_of(Unlabelled(Calculator()))(Calculator().sample(0, 1)[0], ["1+2"]) == "\n1+2=3\n"
    assert reply_of(Unlabelled(open_task("quadratics"))) is None
    assert not isinstance(Unlabelled(open_task("quadratics")), Adaptive)
    data = write(tmp_path / "sums.jsonl", [{"question": f"{i}?", "answer": i} for i in range(40)])
    mixture = open_tasks(TaskSettings(mixture=("data", "arithmetic"), data=data, unlabelled=True))
    assert {problem.task: problem.answer for problem in mixture.sample(0, 8)} == {"data": None, "arithmetic": None}
    (task, _) = mixture.tasks.values()
    before = task.size
    assert task.keep(lambda problem: "7" not in problem.prompt, "too long")
    assert task.size < before and all("7" not in problem.prompt for problem in task.sample(0, task.size))


class Talks(Calculator):
    """Scores whole responses."""

    def assess(self, groups, opening=""):
        return [[Assessment(Verdict(True, opening), 0.5) for _ in group.responses] for group in groups]


def test_whole_responses_are_scored_and_only_of_held_out_ones_it_is_told_whether_they_are_right():
    task = mix_tasks([Unlabelled(Talks())])
    groups = [Group(problem, None, (None,)) for problem in (task.sample(0, 1)[0], task.held_out(1)[0])]
    [[trained], [held]] = task.assess(groups, "<think>")
    assert (trained.reward, trained.verdict.right, trained.verdict.extracted) == (0.5, None, "<think>")
    assert (held.reward, held.verdict.right) == (0.5, True)
    assert not isinstance(Unlabelled(Calculator()), Scoring)


def test_a_recipe_with_nothing_to_learn_from_is_refused():
    for words in ((), ("reward.accuracy=1", "reward.repetition=0.1")):
        with pytest.raises(ValueError, match=r"task.unlabelled withholds the answers.* set reward.majority"):
            load_recipe(overrides=["task.unlabelled=true", *words])
    for words in (
        ("reward.majority=0.8",),
        ("reward.code=1",),
        ("reward.environment=1",),
        ("reward.rewards.py:mine=1",),
        ("stage=sft",),
    ):
        assert load_recipe(overrides=["task.unlabelled=true", *words]).task.unlabelled
    with pytest.raises(ValueError, match=r"task.raise_at is 0.5, and with task.unlabelled nobody knows"):
        load_recipe(overrides=["task.unlabelled=true", "reward.majority=1", "task.raise_at=0.5"])


def test_a_pool_takes_what_nobody_knows_for_neither_right_nor_wrong():
    words = ["task.unlabelled=true", "reward.majority=1", "task.pool=8", "task.problems_per_step=8"]
    recipe = load_recipe(overrides=words)
    supply = Supply(open_tasks(recipe.task), recipe)
    groups = [Group(problem, None, ()) for problem in supply.draw(0, 8)]
    supply.observe(0, groups, [[Score(0.0, {"accuracy": None})] * 4 for _ in groups])
    assert {supply.sampler.pass_rate(place) for place in range(8)} == {0.5}
