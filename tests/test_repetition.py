"""How much has been written before: the one count by which a reward and the figures of a run go."""

import numpy as np
import pytest

from groupthink.repetition import repeated, repeated_each


def test_repetition_is_the_share_of_runs_of_tokens_that_came_before():
    assert repeated(np.arange(100)) == 0
    assert repeated(np.array([3] * 9)) == 0.5  # two windows, the same
    block = np.random.default_rng(0).integers(0, 1000, 40)
    assert repeated(np.concatenate([block, block])) == pytest.approx((40 - 7) / (80 - 7))  # across the seam all is new
    assert repeated(np.arange(8)) == repeated(np.array([], np.int64)) == 0


def test_hashes_count_what_sets_of_the_runs_themselves_would():
    draw = np.random.default_rng(1)
    for tokens in (draw.integers(0, 3, 60), draw.integers(0, 150_000, 60).repeat(2), np.arange(40) % 7):
        for n in (1, 3, 8):
            runs = [tuple(tokens[start : start + n]) for start in range(len(tokens) - n + 1)]
            assert repeated(tokens, n) == repeated(tokens.tolist(), n) == 1 - len(set(runs)) / len(runs)


def test_of_many_responses_at_once_it_is_what_it_is_of_each():
    draw = np.random.default_rng(2)
    some = [draw.integers(0, kinds, length) for kinds in (2, 150, 150_000) for length in (0, 1, 7, 8, 9, 40, 300)]
    some += [np.tile(draw.integers(0, 50, 20), 5), np.r_[1, np.zeros(7, int), 2, np.zeros(7, int)]]
    lengths = np.array([len(tokens) for tokens in some])
    for n in (1, 3, 8):
        each = repeated_each(np.concatenate(some), lengths, n)
        assert each == pytest.approx([repeated(tokens, n) for tokens in some])
    assert repeated_each(np.zeros(0, int), np.zeros(0, int)).tolist() == []
    assert repeated_each(np.arange(5), np.array([2, 3])).tolist() == [0, 0]
