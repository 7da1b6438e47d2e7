import pytest
import torch

from groupthink.rollout.likeliest import likeliest


def test_the_likeliest_come_first_under_the_law_of_their_row():
    logits = torch.tensor([[0.0, 2.0, 1.0], [4.0, 0.0, 2.0]])
    first, second = likeliest(logits, torch.tensor([1.0, 2.0]), 2)
    total = torch.tensor([0.0, 2.0, 1.0]).exp().sum().log().item()
    assert first == [(1, pytest.approx(2 - total)), (2, pytest.approx(1 - total))]
    total = torch.tensor([2.0, 0.0, 1.0]).exp().sum().log().item()
    assert second == [(0, pytest.approx(2 - total)), (2, pytest.approx(1 - total))]


def test_no_more_than_there_are():
    assert [len(row) for row in likeliest(torch.zeros(2, 3), torch.ones(2), 20)] == [3, 3]
