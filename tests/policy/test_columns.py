import numpy as np
import pytest

from groupthink.policy.columns import find_columns, only_live_groups_teach
from groupthink.policy.cut import split
from groupthink.policy.objective.settings import ObjectiveSettings


def test_clip_cov_draws_anew_in_every_step_and_alike_in_the_same(batch):
    objective = ObjectiveSettings(kl=0.0, focus="clip_cov", focus_share=0.1, focus_low=0.01)
    parts = split(batch, 3)
    first, again, next_one = (
        find_columns(batch, objective, None, parts, seed=step).columns["focus_M"] for step in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != next_one).any() and {*first} == {0.0, 1.0}


def test_nothing_is_looked_at_that_the_objective_does_not_ask_for(batch):
    found = find_columns(batch, ObjectiveSettings(kl=0.0), None, split(batch, 1), seed=0)
    assert found.columns == {} and found.logprobs_M is None


@pytest.mark.parametrize(("place", "alone"), [("loss", False), ("reward", True), ("to_go", True)])
def test_a_kl_in_the_loss_teaches_groups_without_advantages(place, alone):
    """Elsewhere it is in the advantages, which say by themselves which groups teach."""
    assert only_live_groups_teach(ObjectiveSettings(kl=0.1, kl_place=place)) is alone
