"""Where a policy begins: read from where it lies, or drawn anew in the shape of another."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedModel

from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.model.loading import load_model, new_model


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin("nano", "float32") is nano as it lies; opened twice it gives the same weights, in any process."""

    place: str | Path
    dtype: str
    trust_remote_code: bool = False
    drawn_by: int | None = None  # a seed: its shape alone, with weights drawn anew
    layers: int = 0  # of these, so many layers; 0: all
    recompute_layers: bool = False  # in the backward pass

    def open(self, device: str | torch.device = "cpu") -> PreTrainedModel:
        dtype, trusted = getattr(torch, self.dtype), self.trust_remote_code
        if self.drawn_by is None:
            model = load_model(self.place, device=device, dtype=dtype, trust_remote_code=trusted)
        else:
            model = new_model(
                self.place, self.drawn_by, layers=self.layers, device=device, trust_remote_code=trusted
            ).to(dtype)
        if self.recompute_layers:
            checkpoint_layers(model)
        return model
