import math

import pytest
import torch

from groupthink.policy.objective.ratio import RATIOS, importance_ratio, sequence_ratio, sequence_token_ratio
from tests.policy.objective.worked import SAMPLED, STARTS, column, tokens_of

OLD = column(-1, -2, -1, 0, -3, -2, -1, -1)
LOG_RATIOS = column(0.5, -0.3, 0.2, 9.0, 0.1, -0.9, 1.0, 0.0)


def tokens(logprobs):
    return tokens_of(logprobs, OLD, torch.ones_like(OLD), SAMPLED, STARTS)


def test_ratio_of_equal_log_probabilities_is_exactly_one():
    for ratio in RATIOS.values():
        assert (ratio(tokens(OLD.clone())) == 1).all()
    torch.testing.assert_close(importance_ratio(column(math.log(0.6)), column(math.log(0.2))), column(3.0))


def test_the_ratio_of_a_response_is_the_geometric_mean_of_its_sampled_tokens():
    means = column(0.1, 0.1, -0.2, -0.2, -0.2, -0.2, 0.5, 0.5)
    torch.testing.assert_close(sequence_ratio(tokens(OLD + LOG_RATIOS)), means.exp())
    torch.testing.assert_close(sequence_token_ratio(tokens(OLD + LOG_RATIOS)), means.exp())


def test_gspo_token_has_the_gradient_of_each_token_where_gspo_has_that_of_all():
    logprobs = (OLD + LOG_RATIOS).requires_grad_()
    for ratio, expected in (
        (sequence_ratio, [1 / 3, 0, 1 / 3, 1 / 3]),
        (sequence_token_ratio, [1, 0, 0, 0]),
    ):
        (gradient,) = torch.autograd.grad(ratio(tokens(logprobs))[2], logprobs)
        torch.testing.assert_close(gradient[2:6], math.exp(-0.2) * column(*expected))


@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ratios_and_their_gradients_stay_finite_however_far_the_policies_are_apart(name, dtype):
    for apart in (1000.0, -1000.0):
        logprobs = (OLD + apart).to(dtype).requires_grad_()
        found = RATIOS[name](tokens_of(logprobs, OLD.to(dtype), OLD.to(dtype), SAMPLED, STARTS))
        (gradient,) = torch.autograd.grad(found.sum(), logprobs)
        assert found.dtype == dtype and found.isfinite().all() and gradient.isfinite().all()
