import pytest

from groupthink.recipe import load_recipe


def test_the_default_recipe_holds_the_policy_by_kl_in_the_loss():
    assert load_recipe().objective.kl > 0 and load_recipe().objective.kl_place == "loss"


def test_a_distillation_learns_from_the_teacher_alone():
    words = ["stage=distill", "distill.teacher=nano", "objective.kl=0", "objective.name=gspo", "rollout.group_size=1"]
    objective = load_recipe(overrides=[*words, "objective.reduction=token_mean"]).objective_of_stage
    assert (objective.kl, objective.kl_place, objective.reduction) == (1.0, "loss", "token_mean")
    with pytest.raises(ValueError, match=r"set task\.rounds=1"):
        load_recipe(overrides=[*words, "task.rounds=2"])
    with pytest.raises(ValueError, match="does not divide the 16 responses"):
        load_recipe(overrides=[*words, "policy.minibatches=3"])
