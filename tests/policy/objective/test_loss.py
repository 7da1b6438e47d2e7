import dataclasses
import math

import numpy as np
import pytest
import torch

from groupthink.policy.objective.kl import ESTIMATORS
from groupthink.policy.objective.loss import TOKEN_LOCAL, reach_of, token_losses
from groupthink.policy.objective.ratio import RATIOS as RATIO_KINDS
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import CHOICES, ObjectiveSettings
from groupthink.policy.objective.surrogates import SURROGATES, vespo
from tests.policy.objective.worked import (
    ADVANTAGES,
    RATIOS,
    SAMPLED,
    column,
    tokens_of,
    worked_tokens,
)

LOG2 = math.log(2)


def test_settings_know_every_choice():
    assert CHOICES["ratio"] == tuple(RATIO_KINDS)
    assert CHOICES["kl_estimator"] == (*ESTIMATORS, "k3_unbiased")
    assert set(TOKEN_LOCAL) < set(SURROGATES)


def test_the_terms_of_a_loss_add_up():
    """Ratios 2 and 1/2 at A = -1 cost 2 and 0.8; k2 is (log 2)^2 / 2, |log ratio| log 2, entropies 0.5 and 1."""
    settings = ObjectiveSettings(kl=0.1, kl_estimator="k2", entropy_bonus=0.01)
    logprobs, old = column(-1, -1), column(-1 - LOG2, -1 + LOG2)
    tokens = tokens_of(
        logprobs,
        old,
        column(-1, -1),
        reference_logprobs_M=old,
        entropies_M=column(0.5, 1.0),
        correction_M=column(0.5, 2.0),
        focus_M=column(1.0, 0.0),
        kl_focus_M=column(0.0, 0.3),
    )
    kl = 0.1 * LOG2**2 / 2
    expected = column(0.5 * 2 + kl - 0.01 * 0.5, 0.3 * LOG2 + kl - 0.01 * 1.0)
    torch.testing.assert_close(token_losses(tokens, settings).losses_M, expected)


@pytest.mark.parametrize("place", ["reward", "to_go"])
def test_a_kl_in_the_reward_or_the_advantage_is_not_in_the_loss(place):
    settings = ObjectiveSettings(kl=5.0, kl_place=place)
    without = token_losses(worked_tokens(settings, reference_logprobs_M=None), settings).losses_M
    torch.testing.assert_close(without, token_losses(worked_tokens(settings), ObjectiveSettings(kl=0.0)).losses_M)


def test_the_decoupled_objective_weighs_the_clipped_surrogate():
    """AReaL: w min(u A, clip(u) A), u against the proximal policy, w = pi_proximal / pi_engine."""
    settings = ObjectiveSettings(kl=0.0)
    weights = column(0.5, 2, 1, 1, 0, 1.5, 1, 3)
    plain = token_losses(worked_tokens(settings), settings).losses_M
    found = token_losses(worked_tokens(settings, correction_M=weights), settings).losses_M
    torch.testing.assert_close(found, weights * plain)


def test_the_correction_is_within_the_weight_of_vespo_and_not_outside_it_again():
    settings = ObjectiveSettings.of_row("vespo")
    tokens = worked_tokens(settings, correction_M=column(0.5, 2, 1, 1, 0.7, 1.5, 1, 3))
    torch.testing.assert_close(token_losses(tokens, settings).losses_M, vespo(tokens, settings))


def test_stale_negatives_are_left_out_and_held_to_the_reference_all_the_same():
    """Mean log(old / new) of the responses: 0.299, 0.035, -0.570; only the second has A < 0."""
    for threshold, left_out in ((0.03, True), (0.04, False)):
        settings = ObjectiveSettings(stale_negatives=threshold)
        plain = ObjectiveSettings()
        found = token_losses(worked_tokens(settings), settings).losses_M
        expected = token_losses(worked_tokens(plain), plain).losses_M
        if left_out:
            expected[2:6] = 0.001 * (0.5 + LOG2 - 1)
        torch.testing.assert_close(found, expected)


def test_the_entropy_bonus_raises_entropy():
    entropies = column(*[0.5] * 8).requires_grad_()
    settings = ObjectiveSettings(entropy_bonus=0.02)
    token_losses(worked_tokens(settings, entropies_M=entropies), settings).losses_M.sum().backward()
    torch.testing.assert_close(entropies.grad, column(*[-0.02] * 8))


@pytest.mark.parametrize("row", ROWS)
def test_clipped_tokens_are_those_without_a_gradient_of_their_own(row):
    """Of GSPO's a whole response; of GMPO's a token within the mean; of the soft ones none."""
    settings = ObjectiveSettings.of_row(row, kl=0.0)
    logprobs = column(*[-1.0] * 8).requires_grad_()
    found = token_losses(worked_tokens(settings, logprobs), settings)
    found.losses_M.sum().backward()
    sampled = torch.tensor(SAMPLED)
    clipped = (found.low_M | found.high_M) & sampled
    assert (((logprobs.grad == 0) & sampled) == clipped).all()
    assert not (found.low_M & found.high_M).any()
    assert found.low_M[ADVANTAGES > 0].sum() == 0
    assert clipped.any() == (row not in ("rloo", "cispo", "sapo", "vespo"))


def test_the_ratio_that_is_reported_is_the_one_that_the_surrogate_takes():
    torch.testing.assert_close(token_losses(worked_tokens(ObjectiveSettings()), ObjectiveSettings()).ratio_M, RATIOS)
    gspo = ObjectiveSettings.of_row("gspo")
    expected = column(0.55**0.5, 0.9 ** (1 / 3), 3.125**0.5)[[0, 0, 1, 1, 1, 1, 2, 2]]
    torch.testing.assert_close(token_losses(worked_tokens(gspo), gspo).ratio_M, expected)


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("changes", [{}, {"stale_negatives": 0.01}])
def test_a_token_local_loss_does_not_depend_on_the_other_tokens(row, changes):
    settings = ObjectiveSettings.of_row(row, **changes)
    logprobs = column(*[-1.0] * 8).requires_grad_()
    tokens = worked_tokens(settings, logprobs)
    moved = dataclasses.replace(tokens, logprobs_M=logprobs + 0.05 * column(0, 1, 0, 1, 1, 1, 0, 1))
    losses, others = (token_losses(these, settings).losses_M for these in (tokens, moved))
    gradient, other = (torch.autograd.grad(these[[0, 2, 6]].sum(), logprobs)[0] for these in (losses, others))
    alone = torch.equal(losses[[0, 2, 6]], others[[0, 2, 6]]) and torch.equal(gradient, other)
    if reach_of(settings) == "token":
        assert alone and (gradient[[1, 3, 4, 5, 7]] == 0).all()
    expected = not changes and row not in ("gspo", "gspo_token", "luspo", "gmpo", "vespo")
    assert reach_of(settings) == ("token" if expected else "response")


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("changes", [{}, {"stale_negatives": 0.01}])
def test_no_loss_depends_on_another_response(row, changes):
    settings = ObjectiveSettings.of_row(row, **changes)
    logprobs = column(*[-1.0] * 8).requires_grad_()
    tokens = worked_tokens(settings, logprobs)
    moved = dataclasses.replace(tokens, logprobs_M=logprobs + 0.05 * column(0, 0, 1, 1, 1, 1, 0, 0))
    losses, others = (token_losses(these, settings).losses_M[[0, 1, 6, 7]] for these in (tokens, moved))
    (gradient,), (other,) = (torch.autograd.grad(these.sum(), logprobs) for these in (losses, others))
    assert torch.equal(losses, others) and torch.equal(gradient, other) and (gradient[2:6] == 0).all()


def far_apart(dtype):
    """Every combination of log ratios of +-1000 and 0, to the old policy and the reference, under both signs of A."""
    cases = [(old, ref, a) for old in (-1000, 0, 1000) for ref in (-1000, 0, 1000) for a in (1, -1)]
    old, reference, advantages = (column(*values, dtype=dtype) for values in zip(*cases, strict=True))
    return old, reference, advantages


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("estimator", CHOICES["kl_estimator"])
@pytest.mark.parametrize("row", ROWS)
def test_losses_and_gradients_are_finite_however_far_the_policies_are_apart(row, estimator, dtype):
    """Each token a response of its own, and all of them one."""
    settings = ObjectiveSettings.of_row(row, kl=0.1, kl_place="loss", kl_estimator=estimator, stale_negatives=0.5)
    old, reference, advantages = far_apart(dtype)
    for starts in (np.arange(len(old) + 1), np.array([0, len(old)])):
        logprobs = torch.full_like(old, -1000.0).requires_grad_()
        tokens = tokens_of(
            logprobs,
            old - 1000,
            advantages,
            starts=starts,
            reference_logprobs_M=reference - 1000,
            correction_M=column(*[0.0, 1.0, 5.0] * (len(old) // 3), dtype=dtype),
            kl_focus_M=torch.ones_like(old),
        )
        found = token_losses(tokens, settings)
        (gradient,) = torch.autograd.grad(found.losses_M.sum(), logprobs)
        assert found.losses_M.dtype == dtype
        assert found.losses_M.isfinite().all() and found.ratio_M.isfinite().all() and gradient.isfinite().all()
