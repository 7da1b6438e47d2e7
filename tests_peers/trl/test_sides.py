"""What surrounds the loss: figures that are logged, and the reward that falls with length."""

from collections.abc import Callable

import numpy as np
import pytest
from trl.rewards import get_soft_overlong_punishment

from groupthink.policy.objective.correction import correction_figures
from groupthink.policy.objective.overlong import overlong_punishment
from tests_peers.trl.cases import CASES, MISMATCH
from tests_peers.trl.ours import STARTS, found_by_us, settings_of
from tests_peers.trl.rollouts import CUT_OFF, make_rollouts
from tests_peers.trl.theirs import found_by_trl

CLIPPED = [
    name
    for name, case in CASES.items()
    if case.row not in ("cispo", "sapo", "vespo") and "ceiling" not in case.ours  # see test_differences.py
]


@pytest.mark.parametrize("name", CLIPPED)
def test_the_shares_of_clipped_tokens_are_trl_s(name: str, compared: Callable[[], None]):
    case, rollouts = CASES[name], make_rollouts()
    settings, estimator = settings_of(case.row, **case.ours)
    theirs = found_by_trl(rollouts, case.theirs, kind=case.trainer).figures
    _, losses = found_by_us(rollouts, settings, estimator)
    if settings.ratio == "token":
        masked = settings.overlong == "masked"
        counted_M = rollouts.sampled_M & ~(masked & (rollouts.response_M == CUT_OFF))
    else:
        counted_M = rollouts.response_M.diff(prepend=-rollouts.response_M.new_ones(1)) > 0  # one for each response
    for side, clipped_M in (("low", losses.low_M), ("high", losses.high_M)):
        share = clipped_M[counted_M].double().mean().item()
        assert share == pytest.approx(theirs[f"clip_ratio/{side}_mean"], abs=1e-6)  # TRL's is float32
    assert losses.low_M.any() and losses.high_M.any()
    compared()


def test_the_difference_from_the_engine_is_measured_as_trl_does(compared: Callable[[], None]):
    rollouts = make_rollouts()
    theirs = found_by_trl(rollouts, MISMATCH).figures
    ours = correction_figures(
        rollouts.old_logprobs_M.numpy(),
        rollouts.engine_logprobs_M.numpy(),
        rollouts.sampled_M.numpy(),
        STARTS,
        correction="mask_sequence",
        low=0.0,
        high=3.0,
    )
    for name in ("sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-12)
    compared()


def test_the_reward_falls_towards_the_longest_response_as_trl_s_does(compared: Callable[[], None]):
    lengths_B = np.arange(1, 21)
    theirs = get_soft_overlong_punishment(max_completion_len=20, soft_punish_cache=4)
    ours_B = overlong_punishment(lengths_B, max_tokens=20, share=0.2)
    np.testing.assert_allclose(ours_B, theirs([[0] * length for length in lengths_B]), rtol=1e-12)
    assert len(set(ours_B)) == 5  # 0 and four steps down
    compared()
