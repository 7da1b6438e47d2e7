"""Gradient checkpointing: a layer keeps its input alone, and is computed anew in the backward pass.

A forward pass then holds one hidden state for each layer, and the backward pass the activations of a single layer
(arXiv 1604.06174, with one segment to a layer), for the price of a second forward pass.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer


def checkpoint_layers(model: PreTrainedModel) -> None:
    """Let the decoder layers of `model` be computed anew in every backward pass, from now on.

    Raises ValueError for a model whose layers transformers does not mark.
    """
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    if not layers:
        raise ValueError(
            f"{type(model).__name__} has no layers that transformers marks for gradient checkpointing: "
            "turn it off, and set policy.micro_batch_tokens lower instead"
        )
    for layer in layers:
        # transformers' own switch works in training mode only, in which dropout would be on.
        if not isinstance(layer.forward, Recomputed):
            layer.forward = Recomputed(layer.forward)


def is_checkpointed(model: PreTrainedModel) -> bool:
    """Whether `checkpoint_layers` was asked for."""
    return any(isinstance(module.__dict__.get("forward"), Recomputed) for module in model.modules())


class Recomputed:
    """A layer's forward pass, computed anew in the backward pass where there will be one."""

    def __init__(self, forward: Callable[..., Any]):
        self.forward = forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return self.forward(*args, **kwargs)
        assert kwargs.get("past_key_values") is None, "a cache would be filled twice"
        # Without dropout nothing is random, so there is no random state to preserve.
        return checkpoint(self.forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
