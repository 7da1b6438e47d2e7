import numpy as np
import pytest
import torch

from groupthink.model.attention import make_segments
from groupthink.model.packing import pack


def test_the_documented_example():
    packed = pack([np.array([4, 5])], [np.array([7, 8]), np.array([9])], [0, 0])
    assert packed.token_ids_N.tolist() == [4, 5, 7]
    assert packed.position_ids_N.tolist() == [0, 1, 2]
    assert packed.before_M.tolist() == [1, 2, 1]
    assert packed.targets_M.tolist() == [7, 8, 9]


def test_prompts_are_held_once_and_only_where_they_are_asked_for():
    prompts = [np.array([10, 11]), np.array([20]), np.array([30, 31, 32])]
    packed = pack(prompts, [np.array([1, 2, 3])] * 3, [2, 0, 2])
    assert packed.token_ids_N.tolist() == [10, 11, 30, 31, 32, 1, 2, 1, 2, 1, 2]
    assert packed.position_ids_N.tolist() == [0, 1, 0, 1, 2, 3, 4, 2, 3, 3, 4]


def test_an_empty_prompt_is_refused():
    with pytest.raises(ValueError, match="prompt 0 has no tokens"):
        pack([np.zeros(0, np.int64)], [np.array([1])], [0])


def test_buckets_hold_like_lengths_and_every_token_finds_its_own_output():
    lengths = (3, 20, 19, 18, 5, 4, 40)
    starts = np.cumsum((0, *lengths))
    sequences = [torch.arange(start, start + n) for start, n in zip(starts, lengths, strict=False)]
    segments = make_segments(sequences, int(starts[-1]))
    places = torch.cat([rows.flatten() for rows in segments.rows])
    assert torch.equal(places[segments.owners_N], torch.arange(int(starts[-1])))
    padding = len(places) - starts[-1]
    assert padding <= starts[-1] / 7
    assert [tuple(rows.shape) for rows in segments.rows] == [(1, 40), (3, 20), (1, 5), (1, 4), (1, 3)]
