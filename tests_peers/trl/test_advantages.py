"""Advantages of TRL's, which it computes in the middle of making a batch, against groupthink's estimators."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from groupthink.advantage import ESTIMATORS
from tests_peers.trl.rollouts import GROUP, make_rollouts
from tests_peers.trl.theirs import their_batch, their_trainer

WEIGHTS = (1.0, 0.25)
REWARDS_BK = {
    "of two kinds": [[1.0, 0.2], [0.0, 0.8], [1.0, 0.4], [0.0, 0.1], [0.0, 0.6], [1.0, 0.4]],
    "one absent": [[1.0, 0.2], [0.0, 0.8], [1.0, np.nan], [0.0, 0.1], [np.nan, 0.6], [1.0, 0.4]],
    "all equal in one group": [[1.0, 0.2], [1.0, 0.2], [1.0, 0.2], [0.0, 0.1], [0.0, 0.6], [1.0, 0.4]],
}
ADVANTAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "center": ("grpo", {"scale_rewards": "none"}),
    "standardize": ("grpo", {"scale_rewards": "group"}),
    "batch_std": ("grpo", {"scale_rewards": "batch"}),
    "gdpo": ("grpo", {"multi_objective_aggregation": "normalize_then_sum"}),
    "leave_one_out": ("rloo", {"beta": 0.0}),
}


@pytest.mark.parametrize("rewards", REWARDS_BK)
@pytest.mark.parametrize("estimator", ADVANTAGES)
def test_advantages_are_trl_s(estimator: str, rewards: str, compared: Callable[[], None]):
    kind, settings = ADVANTAGES[estimator]
    rewards_BK = np.array(REWARDS_BK[rewards])
    rollouts = replace(make_rollouts(), rewards_BK=rewards_BK)
    theirs_B = their_batch(their_trainer(rollouts, {**settings, "reward_weights": list(WEIGHTS)}, kind=kind))
    ours_PG = ESTIMATORS[estimator](rewards_BK.reshape(-1, GROUP, len(WEIGHTS)), np.array(WEIGHTS))

    torch.testing.assert_close(torch.from_numpy(ours_PG).flatten(), theirs_B["advantages"], rtol=1e-12, atol=1e-12)
    assert (ours_PG > 0).any() and (ours_PG < 0).any()
    compared()
