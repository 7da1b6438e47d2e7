import numpy as np
import torch

from tests.policy.objective.worked import SAMPLED, STARTS, column, tokens_of

VALUES = column(1, 3, 2, 100, 4, 6, -1, 0)


def test_means_and_sums_are_over_the_sampled_tokens_of_a_response():
    tokens = tokens_of(VALUES, VALUES, VALUES, SAMPLED, STARTS)
    torch.testing.assert_close(tokens.sum_over_response(VALUES), column(4, 4, 12, 12, 12, 12, -1, -1))
    torch.testing.assert_close(tokens.mean_over_response(VALUES), column(2, 2, 4, 4, 4, 4, -0.5, -0.5))


def test_what_a_tool_wrote_does_not_matter_even_where_it_is_not_a_number():
    values = VALUES.clone()
    values[3] = torch.nan
    found = tokens_of(VALUES, VALUES, VALUES, SAMPLED, STARTS).mean_over_response(values)
    torch.testing.assert_close(found, column(2, 2, 4, 4, 4, 4, -0.5, -0.5))


def test_the_gradient_of_a_mean_is_shared_out_among_the_sampled_tokens():
    values = VALUES.clone().requires_grad_()
    tokens_of(VALUES, VALUES, VALUES, SAMPLED, STARTS).mean_over_response(values)[2].backward()
    torch.testing.assert_close(values.grad, column(0, 0, 1, 0, 1, 1, 0, 0) / 3)


def test_a_micro_batch_without_tokens_and_a_response_without_sampled_ones_have_means():
    empty = column()
    assert len(tokens_of(empty, empty, empty, [], np.array([0])).mean_over_response(empty)) == 0
    tool = column(1, 2)
    assert tokens_of(tool, tool, tool, [False, False]).mean_over_response(tool).tolist() == [0, 0]
