"""RLOO, of which TRL has a trainer of its own: the KL divergence is in the reward, the ratio is a response's."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from groupthink.policy.objective.kl import kl_in_reward
from tests_peers.trl.ours import STARTS, found_by_us, our_advantages, settings_of
from tests_peers.trl.rollouts import make_rollouts
from tests_peers.trl.theirs import found_by_trl, their_batch, their_trainer

TOLERANCE = 1e-10


def test_rloo_s_advantages_and_on_policy_gradient_are_trl_s(compared: Callable[[], None]):
    rollouts = make_rollouts(on_policy=True, tool=False)  # TRL's RLOO knows no tools
    settings, estimator = settings_of("rloo")
    theirs_B = their_batch(their_trainer(rollouts, {"beta": settings.kl}, kind="rloo"))["advantages"]
    theirs = found_by_trl(rollouts, {"beta": settings.kl}, kind="rloo")

    kl_B = kl_in_reward(
        rollouts.old_logprobs_M.numpy(),
        rollouts.reference_logprobs_M.numpy(),
        rollouts.sampled_M.numpy(),
        STARTS,
        estimator=settings.kl_estimator,
    )
    rewards_B1 = (np.nansum(rollouts.rewards_BK, axis=1) - settings.kl * kl_B)[:, None]
    held = replace(rollouts, rewards_BK=rewards_B1)
    ours, _ = found_by_us(held, settings, estimator)

    np.testing.assert_allclose(our_advantages(held, estimator), theirs_B, rtol=TOLERANCE, atol=TOLERANCE)
    # Values differ: TRL's is -A of a response, ours of each of its tokens. On policy, that is a constant.
    torch.testing.assert_close(ours.gradient_MV, theirs.gradient_MV, rtol=TOLERANCE, atol=TOLERANCE * theirs.scale)
    # The KL divergence and the baseline have their part in it.
    assert not np.allclose(theirs_B, our_advantages(rollouts, estimator), rtol=0, atol=1e-3)
    compared()
