import numpy as np
import pytest

from groupthink.policy.cut import cut, live_groups, responses_of, split, tokens_of
from groupthink.records import Batch


def ragged(prompts: list[int], group_B: list[int], lengths_B: list[int]) -> Batch:
    tokens = np.ones(sum(lengths_B), np.float32)
    starts = np.concatenate([[0], np.cumsum(lengths_B)])
    some = tuple(np.zeros(length, np.int64) for length in prompts)
    return Batch(some, np.array(group_B), starts, tokens.astype(np.int64), tokens > 0, *[tokens] * 4)


BATCH = ragged([10, 20], [0, 0, 1, 1], [5, 5, 7, 100])


@pytest.mark.parametrize(
    ("max_tokens", "expected"),
    [
        (1000, [[0, 1, 2, 3]]),
        (147, [[0, 1, 2, 3]]),
        (146, [[0, 1, 2], [3]]),
        (46, [[0, 1], [2], [3]]),
        (20, [[0, 1], [2], [3]]),  # 10 + 5 + 5: the prompt counts once
        (19, [[0], [1], [2], [3]]),
        (1, [[0], [1], [2], [3]]),  # longer than allowed: alone
    ],
)
def test_micro_batches_by_hand(max_tokens, expected):
    assert [part.tolist() for part in cut(BATCH, np.arange(4), max_tokens)] == expected


def test_nothing_is_cut_into_nothing():
    assert cut(BATCH, np.arange(0), 10) == []
    assert tokens_of(BATCH, np.arange(0)).tolist() == []


def test_minibatches_are_equal_and_of_whole_groups_where_they_can_be():
    assert [part.tolist() for part in split(BATCH, 2)] == [[0, 1], [2, 3]]
    assert [part.tolist() for part in split(BATCH, 4)] == [[0], [1], [2], [3]]


def test_minibatches_that_do_not_divide_are_refused():
    with pytest.raises(ValueError, match=r"policy.minibatches=3 does not divide the 4 responses"):
        split(BATCH, 3)


def test_tokens_of_responses():
    assert tokens_of(BATCH, np.array([1, 2])).tolist() == list(range(5, 17))


def test_live_groups_have_some_advantage(batch):
    assert live_groups(batch).tolist() == [0, 2]
    assert responses_of(batch, np.array([0, 2])).tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
