import dataclasses
import tomllib

from groupthink.recipe import Recipe, dump_recipe, load_recipe, settings_of


def test_every_default_is_written_out_and_read_back():
    recipe = load_recipe(overrides=['reward."rewards.py:short"=0.1', "policy.learning_rate=1e-4"])
    text = dump_recipe(recipe)
    table = tomllib.loads(text)
    for field in dataclasses.fields(Recipe):
        assert field.name in table
    assert table["reward"]["rewards.py:short"] == 0.1
    assert table["policy"]["beta1"] == Recipe().policy.beta1


def test_a_dumped_recipe_is_the_same_recipe(tmp_path):
    recipe = load_recipe(
        overrides=["reward.rewards.py:short=0.1", "steps=7", 'sft.tasks=["quadratics"]', "sft.shares=[1]"]
    )
    path = tmp_path / "recipe.toml"
    path.write_text(dump_recipe(recipe))
    assert load_recipe(path) == recipe


def test_programs_and_the_other_model_have_tables_of_their_own(tmp_path):
    words = ["reward.code=1", "code.seconds=3", "code.partial=true", "reward.judge=0.5", "judge.range=[0, 10]"]
    recipe = load_recipe(overrides=[*words, "judge.url=http://localhost:1/v1", "judge.model=wise"])
    assert recipe.reward.weights["code"] == 1 and recipe.code.confinement.seconds == 3 and recipe.code.partial
    assert recipe.judge.server.bounds == (0.0, 10.0) and recipe.judge.server.model == "wise"
    (tmp_path / "again.toml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "again.toml") == recipe


def test_settings_have_full_names():
    assert settings_of(Recipe())["policy.learning_rate"] == Recipe().policy.learning_rate
    assert settings_of(Recipe())["steps"] == Recipe().steps
