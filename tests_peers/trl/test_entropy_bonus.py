"""The entropy bonus that is steered to a target, over several updates."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from groupthink.policy.objective.entropy import applied_bonus, next_bonus
from tests_peers.trl.cases import DAPO
from tests_peers.trl.ours import found_by_us, settings_of
from tests_peers.trl.rollouts import make_rollouts
from tests_peers.trl.theirs import their_batch, their_trainer

TARGET, STEP = 0.9, 0.03
SHARPNESS = (1.0, 1.6, 2.0, 0.5, 0.3, 0.5, 1.8)
"""What the logits of each update are multiplied by: the entropy is above the target and below it in turn."""


def test_a_steered_bonus_rises_falls_and_counts_as_trl_s_does(compared: Callable[[], None]):
    rollouts = make_rollouts()
    settings, estimator = settings_of("dapo", overlong="kept", entropy_step=STEP, entropy_target=TARGET)
    theirs = their_trainer(
        rollouts,
        {
            **DAPO,
            "mask_truncated_completions": False,
            "entropy_coef": 0.02,
            "use_adaptive_entropy": True,
            "entropy_target": TARGET,
            "entropy_coef_delta": STEP,
        },
    )
    batch = their_batch(theirs)
    bonus, entropy, applied = 0.02, None, []  # nothing is known of the entropy before the first update
    for sharpness in SHARPNESS:
        applied.append(applied_bonus(bonus, entropy, target=TARGET, step=STEP))
        now = replace(rollouts, logits_MV=sharpness * rollouts.logits_MV)
        ours, _ = found_by_us(now, replace(settings, entropy_bonus=applied[-1]), estimator)
        theirs.logits_MV = now.logits_MV.clone().requires_grad_()
        loss = theirs._compute_loss(theirs.model, batch)
        (gradient_MV,) = torch.autograd.grad(loss, theirs.logits_MV)
        _, entropies_M = now.logprobs(now.logits_MV)
        entropy = entropies_M[now.sampled_M].mean().item()
        bonus = next_bonus(bonus, entropy, target=TARGET, step=STEP)

        assert ours.loss == pytest.approx(loss.item(), rel=1e-10)
        torch.testing.assert_close(ours.gradient_MV, gradient_MV, rtol=1e-10, atol=1e-12)
        assert bonus == pytest.approx(theirs.entropy_coef, abs=1e-12)
        compared()
    assert 0.0 in applied[1:] and max(applied) > 0.02  # it counted and did not, and it rose
