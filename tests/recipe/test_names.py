import re

import pytest

from groupthink.recipe import load_recipe


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


def test_an_old_name_in_a_file_is_answered_with_the_new_one(tmp_path):
    (tmp_path / "old.toml").write_text("[reward]\ncode = 1.0\ncode_seconds = 3\n")
    with pytest.raises(ValueError, match=r"unknown setting reward\.code_seconds: did you mean code\.seconds\?"):
        load_recipe(tmp_path / "old.toml")


@pytest.mark.parametrize(
    ("word", "meant"), [("taks.name=quadratics", "task.name"), ("polcy.epochs=2", "policy.epochs")]
)
def test_a_table_that_is_misspelt_is_answered_with_the_setting_that_was_meant(word, meant):
    with pytest.raises(ValueError, match=rf"unknown table \[\w+\]: did you mean {re.escape(meant)}\?"):
        load_recipe(overrides=[word])
