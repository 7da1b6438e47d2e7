import math

import numpy as np
import torch

from groupthink.rollout.law import draw, learner_law, narrow
from groupthink.rollout.noise import uniform

PROBABILITIES = torch.tensor([0.1, 0.4, 0.0, 0.25, 0.2, 0.05])


def narrowed(top_k, top_p):
    law_BV = PROBABILITIES.log()[None]
    return narrow(law_BV, torch.tensor([top_k]), torch.tensor([top_p])).exp()[0]


def test_the_learners_law_divides_logits_by_the_temperature_of_each_row():
    logits_BV = torch.tensor([[0.0, math.log(4)], [0.0, math.log(4)]])
    law = learner_law(logits_BV, torch.tensor([1.0, 2.0])).exp()
    torch.testing.assert_close(law, torch.tensor([[1 / 5, 4 / 5], [1 / 3, 2 / 3]]))


def test_frequencies_are_the_probabilities():
    n = 40_000
    uniform_B = torch.from_numpy(uniform(np.full(n, 11), np.arange(n)))
    counts = draw(PROBABILITIES.log().expand(n, -1), uniform_B).bincount(minlength=6).double()
    assert counts[2] == 0
    expected = n * PROBABILITIES.double()
    chi_square = ((counts - expected) ** 2)[expected > 0] / expected[expected > 0]
    assert chi_square.sum() < 18.5  # 4 degrees of freedom: the 99.9 % point


def test_a_draw_is_the_inverse_of_the_cumulative_law():
    edges = torch.tensor([0.0, 0.0999, 0.1001, 0.4999, 0.5001, 0.7499, 0.9501, 1 - 2**-52], dtype=torch.float64)
    tokens = draw(PROBABILITIES.log().expand(len(edges), -1), edges)
    assert tokens.tolist() == [0, 0, 1, 1, 3, 3, 5, 5]


def test_a_token_of_no_probability_is_never_drawn_at_either_end():
    law = torch.tensor([[0.0, 0.7, 0.3, 0.0]]).log().expand(2, -1)
    assert draw(law, torch.tensor([0.0, 1 - 2**-52], dtype=torch.float64)).tolist() == [1, 2]


def test_narrowing_by_hand():
    torch.testing.assert_close(narrowed(0, 1.0), PROBABILITIES)
    torch.testing.assert_close(narrowed(2, 1.0), torch.tensor([0, 0.4, 0, 0.25, 0, 0]) / 0.65)
    torch.testing.assert_close(narrowed(0, 0.6), torch.tensor([0, 0.4, 0, 0.25, 0, 0]) / 0.65)
    torch.testing.assert_close(narrowed(0, 0.66), torch.tensor([0, 0.4, 0, 0.25, 0.2, 0]) / 0.85)
    # top-p is a share of what top-k left: 0.4 is 61.5 % of 0.65
    torch.testing.assert_close(narrowed(2, 0.61), torch.tensor([0.0, 1, 0, 0, 0, 0]))
    torch.testing.assert_close(narrowed(99, 1e-9), torch.tensor([0.0, 1, 0, 0, 0, 0]))


def test_of_equals_the_lowest_id_is_greedy():
    law = torch.tensor([[0.2, 0.4, 0.4]]).log()
    assert narrow(law, torch.tensor([1]), torch.tensor([1.0])).exp()[0].tolist() == [0, 1, 0]


def test_rows_are_narrowed_each_by_its_own_settings():
    law_BV = PROBABILITIES.log().expand(2, -1)
    both = narrow(law_BV, torch.tensor([0, 1]), torch.tensor([1.0, 1.0])).exp()
    torch.testing.assert_close(both, torch.stack([PROBABILITIES, torch.tensor([0.0, 1, 0, 0, 0, 0])]))
