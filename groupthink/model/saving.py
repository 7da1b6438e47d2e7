"""A policy in a folder, in Hugging Face format, and back."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel

from groupthink.model.loading import has_own_code, load_model
from groupthink.model.lora import has_lora, load_adapter, save_adapter, save_merged

ADAPTER_FOLDER = "adapter"
"""The folder of a LoRA adapter, within that of the model that it is merged into."""


def save_policy(model: PreTrainedModel, folder: Path) -> None:
    """Write a model that anyone can load; where it learns by LoRA, the adapter is merged, and kept beside it."""
    if has_lora(model):
        save_merged(model, folder)
        save_adapter(model, folder / ADAPTER_FOLDER)
    else:
        model.save_pretrained(folder)


def save_generation(
    folder: Path, *, stops: Collection[int], max_tokens: int, temperature: float, top_p: float, top_k: int
) -> None:
    """Have whoever generates with the model in `folder` do so as it was sampled in training, unless told otherwise.

    Without that transformers would decode greedily, and stop after 20 tokens. `top_k` of 0 is written, too: where
    nothing is said transformers takes 50.
    """
    config = GenerationConfig.from_pretrained(folder)
    config.eos_token_id = sorted(stops) if len(stops) > 1 else next(iter(stops), None)
    config.update(do_sample=True, max_new_tokens=max_tokens, temperature=temperature, top_p=top_p, top_k=top_k)
    config.save_pretrained(folder)


@torch.no_grad()
def restore_policy(model: PreTrainedModel, folder: Path) -> None:
    """Put back what `save_policy` wrote, bit for bit, in the model's own tensors.

    Raises ValueError where another model was saved there.
    """
    if has_lora(model):
        return load_adapter(model, folder / ADAPTER_FOLDER)
    read = load_model(folder, dtype=model.dtype, trust_remote_code=has_own_code(model))
    saved, own = (dict(one.named_parameters()) for one in (read, model))
    if _shapes(saved) != _shapes(own):
        raise ValueError(f"{folder} holds another model than the one that is learning: restore into its own")
    for name, parameter in own.items():
        parameter.copy_(saved[name])
    return None


def read_tensors(place: Path) -> dict[str, Tensor]:
    """What a safetensors file holds, or, where several processes have written it, the folder of its name.

    read_tensors(Path("optimizer.safetensors")) reads optimizer/*.safetensors where the file is not there.
    """
    folder = place.with_suffix("")
    if place.exists() or not folder.is_dir():
        return load_file(place)
    from groupthink.model.shares import read_whole  # torch's distributed checkpoint, which takes a second to import

    return read_whole(folder)


def _shapes(parameters: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: parameter.shape for name, parameter in parameters.items()}
