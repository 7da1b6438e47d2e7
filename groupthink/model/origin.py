"""Where a policy begins: read from where it lies, or drawn anew in the shape of another."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from groupthink.model.attention import register_attention
from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.model.loading import load_model, new_model, read_config
from groupthink.model.place import resolve


@dataclass(frozen=True, slots=True)
class Origin:
    """Origin("nano", "float32") is nano as it lies; opened anywhere it gives the same weights."""

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

    def outline(self) -> PreTrainedModel:
        """The model without its weights, on the meta device: its shapes, its config, and how it generates."""
        register_attention()
        trusted, place = self.trust_remote_code, resolve(self.place)
        config = read_config(place, layers=self.layers, trust_remote_code=trusted)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(
                config, attn_implementation="groupthink", dtype=getattr(torch, self.dtype), trust_remote_code=trusted
            )
        if self.drawn_by is None:
            with suppress(OSError):  # it brings none, and the config stands for it
                model.generation_config = GenerationConfig.from_pretrained(place)
        return model.eval()
