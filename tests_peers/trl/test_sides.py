"""What surrounds the loss: figures that are logged, and the reward that falls with length."""

from collections.abc import Callable

import numpy as np
import pytest
from trl.rewards import get_soft_overlong_punishment

from groupthink.policy.objective.correction import correction_figures
from groupthink.policy.objective.overlong import overlong_punishment
from tests_peers.trl.cases import CASES, MISMATCH
from tests_peers.trl.ours import STARTS, found_by_us, our_figures, settings_of
from tests_peers.trl.rollouts import make_rollouts
from tests_peers.trl.theirs import found_by_trl

CLIPPED = [
    name
    for name, case in CASES.items()
    if case.row not in ("cispo", "sapo", "vespo") and "ceiling" not in case.ours  # see test_differences.py
]


@pytest.mark.parametrize("name", CLIPPED)
def test_the_shares_of_what_is_clipped_are_trl_s(name: str, compared: Callable[[], None]):
    case, rollouts = CASES[name], make_rollouts()
    settings, estimator = settings_of(case.row, **case.ours)
    theirs = found_by_trl(rollouts, case.theirs, kind=case.trainer).figures
    _, losses = found_by_us(rollouts, settings, estimator)
    ours = our_figures(rollouts, settings, estimator, losses)
    for side in ("low", "high", "region"):
        assert ours[f"clip_ratio/{side}_mean"] == pytest.approx(theirs[f"clip_ratio/{side}_mean"], abs=1e-6)  # float32
    assert losses.low_M.any() and losses.high_M.any()
    compared()


def test_the_share_of_weights_that_cispo_caps_is_trl_s(compared: Callable[[], None]):
    case, rollouts = CASES["cispo"], make_rollouts()
    settings, estimator = settings_of(case.row, **case.ours)
    theirs = found_by_trl(rollouts, case.theirs).figures
    _, losses = found_by_us(rollouts, settings, estimator)
    ours = our_figures(rollouts, settings, estimator, losses)
    assert ours["cispo_clip_ratio"] == pytest.approx(theirs["cispo_clip_ratio"], abs=1e-6) and ours["cispo_clip_ratio"]
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
