import numpy as np
import pytest

from groupthink.rollout.noise import mix, uniform


def test_mix_is_fixed_for_all_time():
    assert mix(7, "quadratics/0/17", 3) == 8382939526644151291
    assert 0 <= mix() < 2**63
    assert mix(np.int64(7), 0.5) == mix(7, 0.5)


@pytest.mark.parametrize("other", [(1, 23), ("1", 2, 3), (1, 2, 3, 0), ("1\x1f2", 3)])
def test_mix_tells_parts_apart(other):
    assert mix(1, 2, 3) != mix(*other)


def test_uniform_is_fixed_by_seed_and_position():
    seeds, positions = np.array([5, 5, 9]), np.array([0, 1, 0])
    draws = uniform(seeds, positions)
    assert len(set(draws)) == 3
    assert uniform(np.array([9]), np.array([0]))[0] == draws[2]


def test_uniform_is_uniform_over_positions_and_over_seeds_that_are_neighbours():
    for draws in (
        uniform(np.full(20_000, mix("a")), np.arange(20_000)),
        uniform(np.arange(20_000), np.full(20_000, 3)),
    ):
        assert draws.min() >= 0 and draws.max() < 1
        counts, _ = np.histogram(draws, bins=50, range=(0, 1))
        assert ((counts - 400) ** 2 / 400).sum() < 85.4  # chi-square, 49 degrees of freedom: the 99.9 % point
        assert abs(np.corrcoef(draws[:-1], draws[1:])[0, 1]) < 0.025
