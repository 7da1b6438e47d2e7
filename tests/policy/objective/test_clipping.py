import pytest
import torch

from groupthink.policy.objective.clipping import clipped_high, clipped_low, clipped_surrogate
from tests.policy.objective.worked import column

RATIO = column(0.5, 0.5, 1.0, 1.1, 2.0, 2.0, 9.0)
ADVANTAGES = column(1.0, -1.0, -2.0, 3.0, 1.0, -1.0, -1.0)
BOUNDS = {
    "none": {},
    "ceiling": {"ceiling": 4.0},
    "dual": {"dual_clip": 3.0},
    "both": {"ceiling": 4.0, "dual_clip": 3.0},
}


def test_surrogate_by_hand():
    found = clipped_surrogate(RATIO, ADVANTAGES, low=0.2, high=0.3)
    #                 min(.5, .8)  min(-.5, -.8)        min(2, 1.3)  min(-2, -1.3)
    torch.testing.assert_close(found, -column(0.5, -0.8, -2.0, 3.3, 1.3, -2.0, -9.0))


@pytest.mark.parametrize(("bound", "last"), [("ceiling", 4.0), ("dual", 3.0), ("both", 3.0)])
def test_what_a_token_that_is_too_likely_costs_has_an_end(bound, last):
    found = clipped_surrogate(RATIO, ADVANTAGES, low=0.2, high=0.3, **BOUNDS[bound])
    torch.testing.assert_close(found, -column(0.5, -0.8, -2.0, 3.3, 1.3, -2.0, -last))


def test_ceiling_and_dual_clip_say_the_same():
    ratio, advantages = torch.rand(200, dtype=torch.float64) * 8, torch.randn(200, dtype=torch.float64)
    two_sided = clipped_surrogate(ratio, advantages, low=0.2, high=0.3, ceiling=4.0)
    torch.testing.assert_close(two_sided, clipped_surrogate(ratio, advantages, low=0.2, high=0.3, dual_clip=4.0))


@pytest.mark.parametrize("bound", BOUNDS)
def test_clipped_tokens_are_those_without_a_gradient(bound):
    ratio = RATIO.clone().requires_grad_()
    clipped_surrogate(ratio, ADVANTAGES, low=0.2, high=0.3, **BOUNDS[bound]).sum().backward()
    low = clipped_low(RATIO, ADVANTAGES, low=0.2)
    high = clipped_high(RATIO, ADVANTAGES, high=0.3, **BOUNDS[bound])
    assert low.tolist() == [False, True, False, False, False, False, False]
    assert high.tolist() == [False, False, False, False, True, False, bound != "none"]
    assert ((ratio.grad == 0) == (low | high)).all()
