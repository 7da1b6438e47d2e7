"""Where groupthink follows the paper and TRL does not: the difference is what it is said to be, and no more."""

from collections.abc import Callable

import pytest
import torch

from groupthink.policy.objective.kl import k3
from tests_peers.trl.cases import GSPO
from tests_peers.trl.ours import found_by_us, our_batch, settings_of
from tests_peers.trl.rollouts import make_rollouts
from tests_peers.trl.theirs import found_by_trl


def test_the_unbiased_kl_takes_the_ratio_of_the_token_whatever_the_surrogate_takes(compared: Callable[[], None]):
    """DeepSeek-V3.2 (arXiv 2512.02556, equation 7) weighs k3 by the token's ratio; TRL by the response's, in GSPO."""
    rollouts, kl = make_rollouts(), 0.1
    settings, estimator = settings_of("gspo", kl=kl, kl_estimator="k3_unbiased")
    theirs = found_by_trl(rollouts, {**GSPO, "beta": kl, "use_bias_correction_kl": True})
    ours, losses = found_by_us(rollouts, settings, estimator)

    weights_M = torch.from_numpy(our_batch(rollouts, settings, estimator).weights_M)
    logprobs_M, _ = rollouts.logprobs(rollouts.logits_MV)
    ratio_M = (logprobs_M - rollouts.old_logprobs_M).exp()
    more_M = kl * (ratio_M - losses.ratio_M) * k3(logprobs_M, rollouts.reference_logprobs_M)
    difference = (weights_M * more_M).sum().item()
    assert ours.loss - theirs.loss == pytest.approx(difference, rel=1e-8)
    assert abs(difference) > 1e-4
    compared()


def test_the_entropy_bonus_is_reduced_as_the_loss_is(compared: Callable[[], None]):
    """Skywork-OR1 (arXiv 2505.22312) has it in one sum with the surrogate; TRL takes a mean over tokens always."""
    rollouts, bonus = make_rollouts(), 0.02
    settings, estimator = settings_of("grpo", entropy_bonus=bonus)
    theirs = found_by_trl(rollouts, {"entropy_coef": bonus})
    ours, _ = found_by_us(rollouts, settings, estimator)

    weights_M = torch.from_numpy(our_batch(rollouts, settings, estimator).weights_M)
    _, entropies_M = rollouts.logprobs(rollouts.logits_MV)
    token_mean = entropies_M[rollouts.sampled_M].mean()
    difference = bonus * (token_mean - (weights_M * entropies_M).sum()).item()
    assert ours.loss - theirs.loss == pytest.approx(difference, rel=1e-8)
    assert abs(difference) > 1e-4
    compared()


def test_tokens_that_the_two_sided_clip_holds_are_counted_as_clipped(compared: Callable[[], None]):
    """They lose their gradient (INTELLECT-2, arXiv 2505.07291); TRL logs those alone whose advantage is above 0."""
    rollouts, ceiling = make_rollouts(), 1.5
    settings, estimator = settings_of("grpo", ceiling=ceiling)
    theirs = found_by_trl(rollouts, {"delta": ceiling})
    _, losses = found_by_us(rollouts, settings, estimator)

    sampled_M, advantages_M = rollouts.sampled_M, our_batch(rollouts, settings, estimator).advantages_M
    held_M = (losses.ratio_M > ceiling) & torch.from_numpy(advantages_M < 0)
    more = losses.high_M[sampled_M].double().mean().item() - theirs.figures["clip_ratio/high_mean"]
    assert more == pytest.approx(held_M[sampled_M].double().mean().item(), abs=1e-6)
    assert held_M.any() and (theirs.gradient_MV[held_M] == 0).all()
    compared()
