import dataclasses

from groupthink.recipe import describe_step, load_recipe


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
