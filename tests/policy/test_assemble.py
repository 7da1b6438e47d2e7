import numpy as np
import pytest

from groupthink.policy.assemble import assemble
from groupthink.records import Group, Problem, Response


def response(token_ids: list[int], sampled: list[bool]) -> Response:
    logprobs = np.where(sampled, -0.5, np.nan).astype(np.float32)
    versions = np.zeros(len(token_ids), np.int64)
    return Response(np.array(token_ids), np.array(sampled), logprobs, logprobs, versions, "", "stop", 0)


def test_a_batch_by_hand():
    one, other = Problem("0", "t", ""), Problem("1", "t", "")
    groups = [
        Group(one, np.array([9]), (response([1, 2], [True, True]), response([3], [True]))),
        Group(other, np.array([8, 8]), (response([4, 5, 6], [True, False, True]), response([7], [True]))),
    ]
    batch = assemble(groups, np.array([[0.5, -0.5], [0.25, -0.25]]))
    assert batch.token_ids_M.tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert batch.starts.tolist() == [0, 2, 3, 6, 7]
    assert batch.group_B.tolist() == [0, 0, 1, 1]
    assert batch.advantages_M.tolist() == [0.5, 0.5, -0.5, 0.25, 0.25, 0.25, -0.25]
    assert batch.weights_M.tolist() == [1 / 8, 1 / 8, 1 / 4, 1 / 8, 0, 1 / 8, 1 / 4]
    assert batch.old_logprobs_M.tolist() == [-0.5, -0.5, -0.5, -0.5, 0, -0.5, -0.5]
    assert [prompt.tolist() for prompt in batch.prompts] == [[9], [8, 8]]


def test_every_response_weighs_the_same_dead_groups_included(batch):
    totals_B = np.add.reduceat(batch.weights_M, batch.starts[:-1])
    np.testing.assert_allclose(totals_B, 1 / 12, rtol=1e-6)


def test_advantages_must_fit_the_groups(make_groups):
    with pytest.raises(AssertionError):
        assemble(make_groups(groups=2), np.zeros((3, 4)))
