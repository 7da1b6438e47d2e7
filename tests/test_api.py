import io
import json

import pytest

import groupthink
from groupthink.recipe import load_recipe
from groupthink.records import Problem
from groupthink.run.terminal import PlainView
from groupthink.stage.named import require_named
from groupthink.task.arithmetic import Arithmetic
from groupthink.user_code import find_thing, give
from tests.stage.conftest import place  # noqa: F401

QUICK = {
    "policy": {"processes": 1, "threads": 1},
    "evaluate": {"problems": 2, "samples": 1, "base_samples": 1},
    "rollout": {"group_size": 3, "max_tokens": 12, "processes": 1},
}


def length(problem, response):
    return len(response) / 100


def make(value):
    def made(problem, response):
        return value

    return made


class Sums:
    """A task as an object."""

    def sample(self, step, n):
        return [Problem(f"s{i}", "sums", f"{i}+{i}?", str(2 * i)) for i in range(step * n, (step + 1) * n)]

    def held_out(self, n):
        return [Problem(f"h{i}", "sums", f"{i}-1?", str(i - 1)) for i in range(n)]

    def verify(self, problem, text):
        return text == problem.answer


def train(place, run, **settings):  # noqa: F811
    tables = {name: QUICK.get(name, {}) | settings.pop(name, {}) for name in QUICK}
    view = PlainView(io.StringIO())
    return groupthink.train(model=str(place / "model"), steps=1, run=run, view=view, **tables, **settings)


def test_a_stage_that_makes_no_model_gives_none(place, tmp_path):  # noqa: F811
    measured = train(place, tmp_path / "run", stage="evaluate")
    assert measured.model is None and not (measured.run / "model").exists() and "after" in measured.figures


def test_a_recipe_of_several_stages_takes_functions_for_all_and_words_for_one(place, tmp_path):  # noqa: F811
    recipe = tmp_path / "two.toml"
    recipe.write_text('[[stages]]\nname = "zero"\n[[stages]]\nname = "more"\nmodel = "stage:zero"\n')
    run = tmp_path / "run"
    trained = train(place, run, recipe=recipe, rewards=[length], words=["more.seed=3"])
    assert trained.model == run / "model" and trained.model.is_dir()
    assert [one["name"] for one in trained.figures["stages"]] == ["zero", "more"]
    stages = [load_recipe(run / "stages" / name / "recipe.toml") for name in ("01-zero", "02-more")]
    assert [stage.seed for stage in stages] == [0, 3] and all(stage.steps == 1 for stage in stages)
    assert all(stage.reward.functions == {f"{__name__}:length": 1.0} for stage in stages)
    again = groupthink.train(run=run, resume=True, view=PlainView(io.StringIO()))  # all is done: nothing is run again
    assert again.figures == trained.figures
    with pytest.raises(ValueError, match="each stage says its own model"):
        own = tmp_path / "own.toml"
        own.write_text('[[stages]]\nname = "zero"\nmodel = "nano"\n')
        train(place, tmp_path / "other", recipe=own)


def test_a_run_by_functions_and_objects_of_the_program_itself(place, tmp_path):  # noqa: F811
    def short(group):
        return [1.0 for _ in group.responses]

    trained = train(place, tmp_path / "run", task=Sums(), rewards={length: 0.5, short: 0.25}, reward={"brevity": 0.0})
    assert trained.model == tmp_path / "run" / "model" and (trained.model / "config.json").exists()
    assert trained.figures == json.loads((trained.run / "summary.json").read_text())
    recipe = load_recipe(trained.run / "recipe.toml")
    assert recipe.reward.functions == {f"{__name__}:length": 0.5, "given:short": 0.25}
    assert recipe.reward.brevity == 0 and recipe.task.name == "given:Sums"
    assert groupthink.evaluate(trained.run, problems=2, samples=1)["problems"] == 2


def test_a_resume_gives_again_what_the_program_gave(place, tmp_path):  # noqa: F811
    def mine(problem, response):
        return 0.5

    train(place, tmp_path / "run", rewards=[mine])
    view = PlainView(io.StringIO())
    with pytest.raises(ValueError, match=r"rollout\.max_tokens: 12 -> 13"):
        groupthink.train(run=tmp_path / "run", resume=True, rollout={"max_tokens": 13}, view=view)
    further = groupthink.train(run=tmp_path / "run", resume=True, rewards=mine, steps=2, view=view)
    assert load_recipe(further.run / "recipe.toml").steps == 2
    give(type("mine", (), {}))  # what was given is another thing now
    assert find_thing("given:mine", "reward") is not mine


def test_what_was_given_is_missed_where_nobody_gives_it():
    with pytest.raises(ValueError, match=r"reward given:gone was given by a Python program, and is not there now"):
        require_named(load_recipe(settings={"reward": {"given:gone": 1.0}}))


def test_words_go_before_settings_and_settings_before_the_file(place, tmp_path):  # noqa: F811
    settings = {"steps": 7, "rollout": {"group_size": 5}}
    recipe = load_recipe(place / "grpo.toml", ["rollout.group_size=6"], settings)
    assert (recipe.steps, recipe.rollout.group_size, recipe.rollout.max_tokens) == (7, 6, 24)


def test_what_is_not_there_is_refused_with_the_nearest_name(place, tmp_path):  # noqa: F811
    with pytest.raises(ValueError, match=r"unknown setting stepz: did you mean steps"):
        groupthink.train(stepz=3)
    with pytest.raises(ValueError, match=r"rollout.group_sise: did you mean rollout.group_size"):
        groupthink.train(rollout={"group_sise": 3})
    with pytest.raises(ValueError, match="has no name to stand in a recipe: define it with `def`"):
        groupthink.train(rewards=[lambda problem, response: 1.0])
    with pytest.raises(ValueError, match="two rewards are called 'given:made'"):
        groupthink.train(rewards=[make(1.0), make(2.0)])
    with pytest.raises(ValueError, match="resume=True needs run="):
        groupthink.train(resume=True)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        groupthink.trian  # noqa: B018


def test_a_class_of_a_module_is_named_by_its_module():
    assert give(Arithmetic) == "groupthink.task.arithmetic:Arithmetic"
    assert find_thing(give(Arithmetic), "task") is Arithmetic
