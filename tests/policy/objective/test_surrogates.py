import math

import pytest
import torch

from groupthink.policy.objective.clipping import clipped_surrogate
from groupthink.policy.objective.settings import SURROGATES as NAMES
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.surrogates import SURROGATES, cispo, gmpo, imitate, sapo, unclipped, vespo
from tests.policy.objective.worked import column, tokens_of


def one_response(ratios, advantage, logprobs=None, **others):
    ratios = column(*ratios)
    logprobs = torch.full_like(ratios, math.log(0.5)) if logprobs is None else logprobs
    old = logprobs.detach() - ratios.log()
    return tokens_of(logprobs, old, torch.full_like(ratios, advantage), **others)


def test_settings_know_every_surrogate():
    assert tuple(SURROGATES) == NAMES


def test_imitation_is_maximum_likelihood_whatever_the_old_policy():
    found = imitate(one_response([0.1, 7.0], 1.0), ObjectiveSettings(surrogate="imitation"))
    torch.testing.assert_close(found, column(math.log(2), math.log(2)))


def test_cispo_bounds_the_weight_at_five_and_keeps_the_gradient():
    logprobs = column(-1.0, -2.0, -3.0).requires_grad_()
    found = cispo(one_response([8.0, 0.01, 2.0], 2.0, logprobs), ObjectiveSettings.of_row("cispo"))
    torch.testing.assert_close(found, column(5 * 2 * 1, 0.01 * 2 * 2, 2 * 2 * 3))
    found.sum().backward()
    torch.testing.assert_close(logprobs.grad, -column(10, 0.02, 4))


def test_cispo_has_a_lower_bound_where_one_is_asked_for():
    found = cispo(one_response([8.0, 0.01], 1.0), ObjectiveSettings.of_row("cispo", clip_low=0.2, clip_high=0.28))
    torch.testing.assert_close(found, column(1.28, 0.8) * math.log(2))


def test_sapo_has_slope_one_at_a_ratio_of_one_and_none_far_from_it():
    for advantage in (1.0, -1.0):
        logprobs = column(-1.0, -1.0, -1.0).requires_grad_()
        sapo(one_response([1.0, 40.0, 1e-3], advantage, logprobs), ObjectiveSettings.of_row("sapo")).sum().backward()
        torch.testing.assert_close(logprobs.grad, column(-advantage, 0, 0), rtol=1e-12, atol=1e-3)


def test_gmpo_clips_the_side_that_the_advantage_pays_for():
    """log ratios -1, +1: above 0.4 nothing is earned where A > 0, below -0.4 nothing where A < 0."""
    ratios = [math.exp(-1), math.exp(1)]
    torch.testing.assert_close(
        gmpo(one_response(ratios, 1.0), ObjectiveSettings.of_row("gmpo"))[0], -column(-0.3).exp()[0]
    )
    torch.testing.assert_close(
        gmpo(one_response(ratios, -1.0), ObjectiveSettings.of_row("gmpo"))[0], column(0.3).exp()[0]
    )


def test_gmpo_of_one_token_is_ppo_with_a_clip_in_logarithms():
    for ratio in (0.3, 0.9, 1.0, 1.3, 3.0):
        for advantage in (2.0, -2.0):
            bounds = {"low": 1 - math.exp(-0.4), "high": math.exp(0.4) - 1}
            expected = clipped_surrogate(column(ratio), column(advantage), **bounds)
            torch.testing.assert_close(
                gmpo(one_response([ratio], advantage), ObjectiveSettings.of_row("gmpo")), expected
            )


def test_vespo_weighs_by_the_product_of_ratios_and_of_corrections():
    tokens = one_response([2.0, 0.5, 1.5], 1.0, correction_M=column(0.8, 1.0, 0.5))
    w = 1.5 * 0.4
    phi = w**2 * math.exp(3 * (1 - w))
    torch.testing.assert_close(vespo(tokens, ObjectiveSettings.of_row("vespo")), phi * column(*[math.log(2)] * 3))


def test_vespo_all_but_drops_a_response_with_a_masked_token():
    masked = one_response([1.0, 1.0], 1.0, correction_M=column(0.0, 1.0))
    assert vespo(masked, ObjectiveSettings.of_row("vespo")).abs().max() < 1e-13


@pytest.mark.parametrize("ratio", ["token", "sequence", "sequence_token"])
def test_without_a_clip_the_loss_is_minus_ratio_times_advantage(ratio):
    settings = ObjectiveSettings.of_row("rloo", ratio=ratio)
    mean = column(4.0).sqrt() if ratio != "token" else column(8.0)
    torch.testing.assert_close(unclipped(one_response([8.0, 0.5], -3.0), settings)[:1], 3 * mean)


def test_constants_of_a_surrogate_are_as_precise_as_its_tokens():
    """1.05 in float32 is 1.0499999523: enough to see in float64."""
    found = sapo(one_response([2.0], -1.0), ObjectiveSettings.of_row("sapo"))
    expected = 4 / 1.05 / (1 + math.exp(-1.05))
    assert found.item() == pytest.approx(expected, rel=1e-15)


def test_a_geometric_mean_is_held_after_the_mean_is_taken():
    tokens = tokens_of(column(0.0, 0.0), column(-1000.0, 1000.0), column(1.0, 1.0))
    assert gmpo(tokens, ObjectiveSettings.of_row("gmpo")).tolist() == [-math.exp(-20.0)] * 2  # (0.4 - 1000) / 2, held
