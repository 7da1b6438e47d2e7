import math

import torch

from groupthink.model.threads import _quota, physical_cores, using_threads


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


def test_a_containers_quota_counts_as_cores(tmp_path):
    file = tmp_path / "cpu.max"
    for text, cores in (("250000 100000\n", 2), ("50000 100000\n", 1), ("max 100000\n", math.inf)):
        file.write_text(text)
        assert _quota(file) == cores
    assert _quota(tmp_path / "absent") == math.inf
