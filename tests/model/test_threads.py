import torch

from groupthink.model.threads import physical_cores, using_threads


def test_threads_are_put_back_even_after_an_error():
    before = torch.get_num_threads()
    try:
        with using_threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError
    except KeyError:
        pass
    assert torch.get_num_threads() == before


def test_there_is_at_least_one_core():
    assert physical_cores() >= 1
