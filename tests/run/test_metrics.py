import numpy as np
import pytest

from groupthink.records import Score
from groupthink.run.metrics import dead_metrics, repeated


def test_dead_groups_are_counted_and_told_apart():
    def group(*rewards):
        return [Score(value, {"accuracy": float(value == 1)}) for value in rewards]

    figures = dead_metrics([group(1.0, 1.0), group(0.2, 0.2), group(1.0, 0.2), group(0.0, 0.0)])
    assert figures == {"frac_reward_zero_std": 0.75, "frac_all_right": 0.25, "frac_all_wrong": 0.5}
    unknown = [[Score(0.2, {"accuracy": None}), Score(0.2, {"accuracy": None})]]
    assert dead_metrics(unknown) == {"frac_reward_zero_std": 1.0, "frac_all_right": 0.0, "frac_all_wrong": 0.0}


def test_repetition_is_the_share_of_runs_of_tokens_that_came_before():
    assert repeated(np.arange(100)) == 0
    assert repeated(np.array([3] * 9)) == 0.5  # two windows, the same
    block = np.random.default_rng(0).integers(0, 1000, 40)
    assert repeated(np.concatenate([block, block])) == pytest.approx((40 - 7) / (80 - 7))  # across the seam all is new
    assert repeated(np.arange(8)) == repeated(np.array([], np.int64)) == 0
