import pytest

from groupthink.recipe import load_recipe


def test_a_moving_average_is_not_kept_in_bfloat16():
    words = ["policy.dtype=bfloat16", "objective.reference_every=1", "objective.reference_mixing=0.01"]
    with pytest.raises(ValueError, match=r"reference_mixing=0\.01 moves a reference in bfloat16"):
        load_recipe(overrides=words)
    assert load_recipe(overrides=words[1:]).objective.reference_mixing == 0.01
