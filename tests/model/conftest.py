import pytest
import torch


@pytest.fixture
def float64_throughout(monkeypatch):
    """Transformers computes norms, rotations and eager's softmax in float32 whatever the model's type."""
    for name in ("float32", "float"):
        monkeypatch.setattr(torch, name, torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
