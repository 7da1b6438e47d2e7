import pytest

from groupthink.policy.objective.rows import ROWS
from groupthink.recipe import load_recipe, settings_of


def test_words_set_settings():
    words = [
        "steps=400",
        "policy.learning_rate=1e-4",
        "model=Qwen/Qwen3-0.6B",
        'task.name="arithmetic"',
        "objective.kl=0",
    ]
    recipe = load_recipe(overrides=words)
    assert recipe.steps == 400
    assert recipe.policy.learning_rate == 1e-4
    assert recipe.model == "Qwen/Qwen3-0.6B"
    assert recipe.task.name == "arithmetic"
    assert recipe.objective.kl == 0.0 and isinstance(recipe.objective.kl, float)


@pytest.mark.fault("B3")
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("steps=many", "steps is 'many': expected a whole number"),
        ("steps=1.5", "steps is 1.5: expected a whole number"),
        ("steps=true", "steps is True: expected a whole number"),
        ("objective.kl=true", "objective.kl is True: expected a number"),
        ("objective.kl=nan", "objective.kl is nan: expected a finite number"),
        ("model=4", "model is 4: expected text"),
        ("task=4", "task is a table"),
        ("sft.tasks=quadratics", "expected a list, each item text"),
        ("sft.from_scratch=1", "expected true or false"),
        ("stage=grop", "choose one of grpo, grpo_async, distill, sft"),
        ("sft.layers=2", "with sft.from_scratch=true"),
        ("stage=distill", "needs a teacher"),
        ("distill.techer=nano", "did you mean distill.teacher"),
        ("rollout.group_size=1", "a group of one has no average to differ from"),
        ("steps", "write key=value"),
        ("trust_remote_code=1", "trust_remote_code is 1: expected true or false"),
        ("chat.thinking=of", "chat.thinking is 'of': did you mean off"),
    ],
)
def test_a_wrong_value_names_the_key_what_was_given_and_what_was_expected(word, said):
    with pytest.raises(ValueError, match=said):
        load_recipe(overrides=[word])


@pytest.mark.parametrize("name", ROWS)
def test_an_objective_named_by_a_word_is_its_whole_row_whatever_the_file_says(name):
    settings = settings_of(load_recipe(overrides=[f"objective.name={name}"]))
    assert {full_name: settings[full_name] for full_name in ROWS[name]} == ROWS[name]


def test_an_objective_named_in_a_file_fills_what_the_file_leaves_open_and_words_go_before_all(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[objective]\nname = "rloo"\nkl = 0.5\n')
    assert load_recipe(file).objective.kl == 0.5
    assert load_recipe(file).advantage.estimator == "leave_one_out"
    by_word = load_recipe(file, ["objective.kl=0.25", "objective.name=rloo"])
    assert by_word.objective.kl == 0.25 and load_recipe(file, ["objective.name=rloo"]).objective.kl == 0.03
