"""Several tasks as one."""

import json
from collections import Counter

import pytest

from groupthink.recipe import dump_recipe, load_recipe
from groupthink.task import open_task, open_tasks
from groupthink.task.mixture import mix_tasks
from groupthink.task.reply import reply_of
from groupthink.task.settings import TaskSettings
from tests.calculator import Calculator


def test_each_task_gives_its_share_in_its_own_order():
    task = mix_tasks([open_task("quadratics"), open_task("arithmetic")], [1, 3])
    problems = task.sample(0, 40)
    assert Counter(problem.task for problem in problems) == {"quadratics": 10, "arithmetic": 30}
    assert [p for p in problems if p.task == "arithmetic"] == open_task("arithmetic").sample(0, 30)
    assert [p for p in problems if p.task == "quadratics"] == open_task("quadratics").sample(0, 10)
    for step in range(10):
        assert {problem.task for problem in task.sample(step, 4)} == {"quadratics", "arithmetic"}
    assert task.sample(5, 4) == mix_tasks([open_task("quadratics"), open_task("arithmetic")], [1, 3]).sample(0, 24)[20:]
    assert Counter(problem.task for problem in task.held_out(8)) == {"quadratics": 2, "arithmetic": 6}


def test_each_problem_is_checked_by_its_own_task():
    task = mix_tasks([open_task("quadratics"), open_task("arithmetic")])
    for problem in task.sample(0, 6):
        answer = task.demonstrate(problem, True).rpartition("</think>")[2]
        assert task.verify(problem, answer).right and not task.verify(problem, "none").right
    assert "factoring" in task.traits("b=-5 c=6\n1*6: 6+1=7 no\n")


def test_a_mixture_replies_where_one_of_its_tasks_does():
    assert reply_of(mix_tasks([open_task("quadratics"), open_task("arithmetic")])) is None
    task = mix_tasks([open_task("quadratics"), Calculator()])
    quadratic, sums = task.sample(0, 2)
    assert reply_of(task)(quadratic, ["1+2"]) is None and "1+2=3" in reply_of(task)(sums, ["1+2"])


class Adapting:
    """One whose problems follow from what was observed."""

    name = "adapting"

    def __init__(self):
        self.seen = 0

    def observe(self, problem, right, responses):
        self.seen += right

    def state(self):
        return {"seen": self.seen}

    def restore(self, state):
        self.seen = state["seen"]


def test_the_state_of_its_tasks_is_the_mixtures():
    from groupthink.records import Problem

    task, twin = (mix_tasks([open_task("quadratics"), Adapting()]) for _ in range(2))
    task.observe(Problem("1", "adapting", "?"), 3, 4)
    task.observe(Problem("2", "quadratics", "?"), 3, 4)
    twin.restore(json.loads(json.dumps(task.state())))
    assert twin.tasks["adapting"].seen == 3


def test_a_recipe_names_a_mixture_with_shares_and_arguments(tmp_path):
    rows = "".join(json.dumps({"question": f"{i}?", "answer": i}) + "\n" for i in range(40))
    (tmp_path / "rows.jsonl").write_text(rows)
    (tmp_path / "recipe.toml").write_text(
        f"""[task]
mixture = ["data", "arithmetic"]
shares = [1, 2.5]
data = '{tmp_path.as_posix()}/rows.jsonl'
"""
    )
    recipe = load_recipe(tmp_path / "recipe.toml")
    assert recipe.task.title == f"{tmp_path.as_posix()}/rows.jsonl, arithmetic"
    asked = ['task.mixture=["data", "gym:chain_sum"]', "task.chain_sum:max_terms=4", "task.chain_sum:digits=[1, 2]"]
    with_arguments = load_recipe(tmp_path / "recipe.toml", asked)
    assert with_arguments.task.arguments == {"chain_sum:max_terms": 4, "chain_sum:digits": [1, 2]}
    (tmp_path / "dumped.toml").write_text(dump_recipe(with_arguments))
    assert load_recipe(tmp_path / "dumped.toml") == with_arguments
    task = open_tasks(recipe.task)
    assert Counter(problem.task for problem in task.sample(0, 35)) == {"data": 10, "arithmetic": 25}
    assert any("column 'question'" in note for note in task.notes)


def test_each_task_of_a_mixture_may_have_a_split_of_its_own(tmp_path):
    for split, sign in (("train", "?"), ("test", "!")):
        rows = "".join(json.dumps({"question": f"{i}{sign}", "answer": i}) + "\n" for i in range(40))
        (tmp_path / f"{split}.jsonl").write_text(rows)
    words = ['task.mixture=["data", "quadratics", "arithmetic"]', 'task.splits=["test", "beyond", "held_out"]']
    recipe = load_recipe(overrides=[f"task.data={tmp_path.as_posix()}", *words])
    held = open_tasks(recipe.task).held_out(9)
    by_task = {name: [problem for problem in held if problem.task == name] for name in recipe.task.names}
    assert all(problem.prompt.endswith("!") for problem in by_task["data"]) and len(by_task["data"]) == 3
    assert by_task["quadratics"] == open_task("quadratics", split="beyond").held_out(3)
    assert by_task["arithmetic"] == open_task("arithmetic").held_out(3)
    with pytest.raises(ValueError, match="arithmetic has no split 'test'"):
        open_tasks(TaskSettings(mixture=("arithmetic", "quadratics"), splits=("test", "held_out")))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mixture": ("quadratics", "quadratics")}, "names quadratics twice"),
        ({"mixture": ("quadratics", "arithmetic"), "shares": (1.0,)}, "has 1 numbers for the 2"),
        ({"mixture": ("quadratics", "arithmetic"), "shares": (1.0, 0.0)}, "a number above 0"),
        ({"mixture": ("quadratics", "arithmetic"), "splits": ("beyond",)}, "names 1 splits for the 2 tasks"),
        ({"splits": ("beyond",)}, "names 1 splits for the 0 tasks"),
        ({"mixture": ("quadratics",), "data": "x.jsonl"}, 'name the data set in the mixture as "data"'),
        ({"held_out": 1.0}, "task.held_out is 1.0"),
        ({"raise_at": 2.0}, "task.raise_at is 2.0"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TaskSettings(**settings)
