"""AdamW over a model's named parameters, and its state as a safetensors file."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from groupthink.policy.settings import PolicySettings


def adamw(parameters: Mapping[str, nn.Parameter], settings: PolicySettings) -> torch.optim.AdamW:
    """AdamW (arXiv 1711.05101); weight decay is for matrices, not for norms and biases."""
    matrices = [parameter for parameter in parameters.values() if parameter.ndim > 1]
    vectors = [parameter for parameter in parameters.values() if parameter.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": settings.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        eps=1e-8,
        fused=True,
    )


def save_optimizer(path: Path, optimizer: torch.optim.AdamW, parameters: Mapping[str, nn.Parameter]) -> None:
    """Write each parameter's state as `parameter/step`, `parameter/exp_avg` and `parameter/exp_avg_sq`."""
    tensors = {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, parameter in parameters.items()
        for key, value in optimizer.state.get(parameter, {}).items()
    }
    save_file(tensors, path)


def load_optimizer(path: Path, optimizer: torch.optim.AdamW, parameters: Mapping[str, nn.Parameter]) -> None:
    """Put back what `save_optimizer` wrote. Raises ValueError where it belongs to another model."""
    states: dict[str, dict[str, Tensor]] = {}
    for full_name, tensor in load_file(path).items():
        name, _, key = full_name.rpartition("/")
        if name not in parameters or tensor.shape not in (parameters[name].shape, torch.Size([])):
            raise ValueError(f"{path} holds the state of another model: this one has no {full_name} of that shape")
        states.setdefault(name, {})[key] = tensor.to(parameters[name].device)
    optimizer.state.clear()
    for name, state in states.items():
        optimizer.state[parameters[name]] = state
