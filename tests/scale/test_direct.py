"""Buckets in memory, and what is said where NIXL cannot carry them. NIXL itself: tests_peers/ray/test_transport.py."""

import sys
from types import SimpleNamespace

import pytest
import torch

from groupthink.scale import direct
from groupthink.scale.direct import bytes_of, lay, parted, require_nixl


def test_tensors_of_several_types_lie_in_a_bucket_each_where_it_may_begin():
    heaps = [
        [torch.arange(3, dtype=torch.int8), torch.arange(6, dtype=torch.float64).view(2, 3)],
        [torch.ones(1, 1, dtype=torch.bfloat16)],
    ]
    buckets = lay(heaps)
    assert [len(bucket) for bucket in buckets] == [16 + 48, 16] == [bytes_of([3, 48]), bytes_of([2])]
    for bucket, heap in zip(buckets, heaps, strict=True):
        assert all(map(torch.equal, parted(bucket, heap), heap))
    assert lay([]) == []


def test_columns_of_a_matrix_are_laid_without_what_is_beside_them():
    part = torch.arange(12.0).view(3, 4)[:, :2]
    (bucket,) = lay([[part]])
    assert torch.equal(parted(bucket, [part])[0], part) and len(bucket) == 32


def test_without_the_package_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "nixl", None)
    with pytest.raises(ValueError, match=r"scale.transport=\"nixl\" needs the package nixl.*groupthink\[nixl\]"):
        require_nixl()


def test_a_package_without_a_build_for_this_machine_is_refused(monkeypatch, tmp_path):
    (tmp_path / "nixl.py").write_text("raise ImportError('detected CUDA 12 but nixl-cu12 is not installed')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nixl", raising=False)
    with pytest.raises(ValueError, match="detected CUDA 12 but nixl-cu12 is not installed"):
        require_nixl()


def test_an_older_ray_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "nixl", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "ray.experimental.rdt.util", None)
    with pytest.raises(ValueError, match=r"needs Ray 2\.60"):
        require_nixl()


def test_a_machine_where_it_does_not_begin_is_named_with_the_reason(monkeypatch):
    def fails():
        raise RuntimeError("no UCX")

    manager = SimpleNamespace(get_nixl_agent=fails)
    transports = SimpleNamespace(get_tensor_transport_manager=lambda name: manager)
    monkeypatch.setattr(direct, "require_nixl", lambda: None)
    monkeypatch.setattr(direct, "_transports", lambda: transports)
    with pytest.raises(ValueError, match=r"does not begin on this machine \(no UCX\)"):
        direct.open_agent()
