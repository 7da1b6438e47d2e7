import dataclasses
import re
import tomllib
from pathlib import Path

import pytest

from groupthink.policy.objective.rows import ROWS
from groupthink.recipe import Recipe, bundled, describe_step, dump_recipe, load_recipe, recipe_name, settings_of

TOP = Path(__file__).parent.parent


def test_the_recipes_at_the_top_are_the_packaged_ones():
    packaged = {file.name: file.read_text() for file in (TOP / "groupthink/recipes").glob("*.toml")}
    assert {file.name: file.read_text() for file in (TOP / "recipes").glob("*.toml")} == packaged
    assert bundled() == sorted(name.removesuffix(".toml") for name in packaged)
    studies = {file.name: file.read_text() for file in (TOP / "groupthink/recipes/studies").glob("*.toml")}
    assert studies and {file.name: file.read_text() for file in (TOP / "recipes/studies").glob("*.toml")} == studies


@pytest.mark.parametrize("file", sorted((TOP / "recipes/studies").glob("*.toml")), ids=lambda file: file.stem)
def test_every_study_is_a_recipe(file):
    assert load_recipe(file).steps > 0


def test_without_a_path_the_packaged_recipe_is_loaded():
    assert load_recipe() == load_recipe(TOP / "recipes/nano.toml")


def test_a_packaged_recipe_is_found_by_its_name_where_no_file_has_it(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("qwen3-0.6b-gsm8k") == load_recipe(TOP / "recipes/qwen3-0.6b-gsm8k.toml")
    (tmp_path / "nano").write_text("steps = 3")
    assert load_recipe("nano").steps == 3
    with pytest.raises(FileNotFoundError, match=r"no recipe at qwen-0.6b-gsm8k: .*did you mean qwen3-0.6b-gsm8k\?"):
        load_recipe("qwen-0.6b-gsm8k")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (None, "nano"),
        ("nano", "nano"),
        ("recipes/mine.toml", "mine"),
        ("qwen3-0.6b-gsm8k", "qwen3-0.6b-gsm8k"),
        (Path("a/qwen3-0.6b-gsm8k.toml"), "qwen3-0.6b-gsm8k"),
    ],
)
def test_a_run_is_called_as_its_recipe(path, name):
    assert recipe_name(path) == name


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


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("checkpoint_evry=4", "checkpoint_every"),
        ("task.nam=x", "task.name"),
        ("learning_rate=1e-4", "policy.learning_rate"),
        ("policy.lerning_rate=1e-4", "policy.learning_rate"),
        ("group_size=4", "rollout.group_size"),
        ("polcy.kl=0", r"\[policy\]"),
        ("chat.sytem=x", "chat.system"),
        ("open_think=true", "chat.open_think"),
        ("trust_remote_cod=true", "trust_remote_code"),
        ("step=4", "steps"),
        ("steps.x=4", "steps"),
        *((f"reward.code_{key}=1", f"code.{key}") for key in ("partial", "sandbox", "seconds", "memory")),
        *((f"reward.judge_{key}=1", f"judge.{key}") for key in ("url", "model", "prompt", "key", "seconds", "tries")),
        *((f"reward.judge_{key}=1", f"judge.{key}") for key in ("at_once", "range", "failure")),
        ("code_seconds=1", "code.seconds"),
        ("judge_url=x", "judge.url"),
        ("policy.group_size=4", "rollout.group_size"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(word, meant):
    with pytest.raises(ValueError, match=f"did you mean {meant}\\?"):
        load_recipe(overrides=[word])


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("num_generations=8", "rollout.group_size? (TRL's num_generations: see docs/from-trl.md)"),
        ("rollout.max_completion_length=8", "rollout.max_tokens? (TRL's max_completion_length: "),
        ("policy.beta=0", "objective.kl? (TRL's beta: "),
        ("data.train_batch_size=8", "task.problems_per_step? (verl's data.train_batch_size: see docs/from-verl.md)"),
        ("policy.kl_loss_coef=0", "objective.kl? (verl's actor_rollout_ref.actor.kl_loss_coef: "),
        ("actor_rollout_ref.rollout.n=8", "rollout.group_size? (verl's actor_rollout_ref.rollout.n: "),
        ("temperature=1", "rollout.temperature?"),  # ours, in no table
        ("policy.n=4", "policy.beta1?"),  # might be anything
    ],
)
def test_a_name_of_trls_or_verls_is_answered_with_ours(word, meant):
    with pytest.raises(ValueError, match=re.escape(f": did you mean {meant}")):
        load_recipe(overrides=[word])


@pytest.mark.fault("B13")
def test_an_unknown_name_in_a_file_is_answered_too(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[rolout]\ngroup_size = 4\n")
    with pytest.raises(ValueError, match=r"did you mean rollout.group_size\?"):
        load_recipe(path)


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


def test_an_old_name_in_a_file_is_answered_with_the_new_one(tmp_path):
    (tmp_path / "old.toml").write_text("[reward]\ncode = 1.0\ncode_seconds = 3\n")
    with pytest.raises(ValueError, match=r"unknown setting reward\.code_seconds: did you mean code\.seconds\?"):
        load_recipe(tmp_path / "old.toml")


def test_programs_and_the_other_model_have_tables_of_their_own(tmp_path):
    words = ["reward.code=1", "code.seconds=3", "code.partial=true", "reward.judge=0.5", "judge.range=[0, 10]"]
    recipe = load_recipe(overrides=[*words, "judge.url=http://localhost:1/v1", "judge.model=wise"])
    assert recipe.reward.weights["code"] == 1 and recipe.code.confinement.seconds == 3 and recipe.code.partial
    assert recipe.judge.server.bounds == (0.0, 10.0) and recipe.judge.server.model == "wise"
    (tmp_path / "again.toml").write_text(dump_recipe(recipe))
    assert load_recipe(tmp_path / "again.toml") == recipe


def test_what_is_no_file_or_no_toml_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no recipe at"):
        load_recipe(tmp_path / "absent.toml")
    (tmp_path / "broken.toml").write_text("steps = = 3")
    with pytest.raises(ValueError, match="is not TOML"):
        load_recipe(tmp_path / "broken.toml")


def test_a_step_is_described_in_plain_words():
    recipe = load_recipe(overrides=["policy.minibatches=2", "policy.epochs=2"])
    recipe = dataclasses.replace(recipe, rollout=dataclasses.replace(recipe.rollout, max_tokens=200, group_size=8))
    assert describe_step(recipe) == (
        "A step: 16 problems x 8 responses = 128 responses of at most 200 tokens (25,600 at most), "
        "from which the policy is updated 4 times."
    )


def test_updates_and_rounds_are_counted():
    shown = load_recipe(overrides=["stage=sft", "policy.minibatches=4", "policy.epochs=2"])
    assert describe_step(shown) == "A step: 64 demonstrations, from which the model is updated 8 times."
    taught = load_recipe(overrides=["stage=distill", "distill.teacher=runs/wise", "objective.kl=0.1"])
    assert describe_step(taught).endswith("is updated once, towards what runs/wise makes of each token.")
    assert "at most) in up to 3 rounds, from" in describe_step(load_recipe(overrides=["task.rounds=3"]))


def test_what_departs_from_the_row_of_the_objective_is_said(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('[objective]\nname = "dapo"\nkl = 0.5\n')
    assert describe_step(load_recipe(file)).endswith("The objective is dapo, but for objective.kl=0.5 (its row: 0.0).")
    assert "but for" not in describe_step(load_recipe(file, ["objective.name=dapo"]))


def test_settings_have_full_names():
    assert settings_of(Recipe())["policy.learning_rate"] == Recipe().policy.learning_rate
    assert settings_of(Recipe())["steps"] == Recipe().steps


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


def test_a_moving_average_is_not_kept_in_bfloat16():
    words = ["policy.dtype=bfloat16", "objective.reference_every=1", "objective.reference_mixing=0.01"]
    with pytest.raises(ValueError, match=r"reference_mixing=0\.01 moves a reference in bfloat16"):
        load_recipe(overrides=words)
    assert load_recipe(overrides=words[1:]).objective.reference_mixing == 0.01


def test_the_default_recipe_holds_the_policy_by_kl_in_the_loss():
    assert load_recipe().objective.kl > 0 and load_recipe().objective.kl_place == "loss"


@pytest.mark.parametrize(
    ("word", "meant"), [("taks.name=quadratics", "task.name"), ("polcy.epochs=2", "policy.epochs")]
)
def test_a_table_that_is_misspelt_is_answered_with_the_setting_that_was_meant(word, meant):
    with pytest.raises(ValueError, match=rf"unknown table \[\w+\]: did you mean {re.escape(meant)}\?"):
        load_recipe(overrides=[word])


def test_a_distillation_learns_from_the_teacher_alone():
    words = ["stage=distill", "distill.teacher=nano", "objective.kl=0", "objective.name=gspo", "rollout.group_size=1"]
    objective = load_recipe(overrides=[*words, "objective.reduction=token_mean"]).objective_of_stage
    assert (objective.kl, objective.kl_place, objective.reduction) == (1.0, "loss", "token_mean")
    with pytest.raises(ValueError, match=r"set task\.rounds=1"):
        load_recipe(overrides=[*words, "task.rounds=2"])
    with pytest.raises(ValueError, match="does not divide the 16 responses"):
        load_recipe(overrides=[*words, "policy.minibatches=3"])
