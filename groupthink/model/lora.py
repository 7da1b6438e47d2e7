"""LoRA: low-rank additions to linear layers, which learn while the model beneath them stays as it is.

With A [rank, in] and B [out, rank] a layer gives W x + (alpha / rank) B A x (arXiv 2106.09685, section 4.1). B begins
as zero, and with it the policy as the model itself. peft's layers are put in place of the model's own, so the model
keeps its class, its attention and its forward pass.

Experts that a model holds as one tensor are no linear layers, and stay as they are.
"""

import copy
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from groupthink.extras import need
from groupthink.model.settings import ALL_LINEAR, LoraSettings
from groupthink.nearest import nearest

ADAPTER = "default"
"""The adapter's name within peft; there is one."""

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
"""The files of an adapter in peft's format."""


def add_lora(model: PreTrainedModel, settings: LoraSettings, seed: int) -> None:
    """Put additions of `settings.rank` into `model`, drawn by `seed`: they learn, and all else is frozen.

    They are float32 even in a model of lower precision (float64 in a float64 model). Raises ValueError for a target
    that the model does not have, for a head that it shares with its embeddings, and where peft is not installed.
    """
    assert settings.rank > 0 and not has_lora(model)
    peft = need("peft", f"lora.rank={settings.rank}", "lora")
    config = peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=0.0,
        target_modules=_targets(model, settings.targets),
        bias="none",
        task_type="CAUSAL_LM",
        base_model_name_or_path=model.name_or_path or None,
    )
    with torch.random.fork_rng(devices=[]):  # peft draws weights of its own, which are not kept
        peft.inject_adapter_in_model(config, model, ADAPTER)
    generator = torch.Generator().manual_seed(seed)
    for layer in _layers(model).values():
        down, up = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
        for part in (down, up):
            part.to(torch.float64 if model.dtype == torch.float64 else torch.float32)
        # On the CPU, so that every device begins alike; the spread is that of torch's linear layers, as in peft.
        bound = 1 / math.sqrt(layer.in_features)
        drawn = torch.empty(down.weight.shape, dtype=torch.float32).uniform_(-bound, bound, generator=generator)
        with torch.no_grad():
            down.weight.copy_(drawn)
            up.weight.zero_()
    model.train(model.training)  # peft's layers come in training mode


def has_lora(model: PreTrainedModel) -> bool:
    """Whether `add_lora` has been here."""
    return hasattr(model, "peft_config")


@contextmanager
def adapter_off(model: PreTrainedModel) -> Iterator[None]:
    """Within it, the model is the one that `add_lora` was given, to the bit: the reference policy."""
    assert has_lora(model), "without an adapter the model would be its own reference"
    layers = [layer for layer in _layers(model).values() if not layer.disable_adapters]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


@torch.no_grad()
def merged_tensors(model: PreTrainedModel) -> dict[str, Tensor]:
    """The policy's weights by their Hugging Face names, additions merged: what an engine draws from.

    The names are those of the state dict before `add_lora`. A sum is made in the additions' precision and rounded to
    the model's; weights of 4 bits are expanded. What has no addition is the model's own tensor, not a copy.
    """
    if not has_lora(model):
        return model.state_dict()
    modules, layers = dict(model.named_modules(remove_duplicate=False)), _layers(model)
    adapter = {f"{path}.{part}.{ADAPTER}" for path in layers for part in ("lora_A", "lora_B")}
    tensors: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        path, _, leaf = name.rpartition(".")
        # What is no module's own tensor is a table that a weight of 4 bits brings with it.
        if path in adapter or path not in modules:
            continue
        plain = path.removesuffix(".base_layer")
        if leaf == "weight" and plain in layers:
            tensor = _merged(layers[plain])
        elif leaf == "weight":
            tensor = _expanded(modules[path], tensor)
        tensors[f"{plain}.{leaf}"] = tensor
    return tensors


def save_merged(model: PreTrainedModel, folder: Path) -> None:
    """Write the policy with its additions merged, as a model like any other, in Hugging Face format."""
    config = copy.deepcopy(model.config)
    vars(config).pop("quantization_config", None)
    with torch.device("meta"):
        plain = type(model)._from_config(config, dtype=model.dtype)
    plain.generation_config = model.generation_config
    plain.save_pretrained(folder, state_dict=merged_tensors(model))


def save_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Write the additions in peft's format, for `PeftModel.from_pretrained` and `load_adapter`.

    Give it a folder of its own: transformers would take one that also holds a model for the adapter alone.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = copy.copy(_config(model))
    config.inference_mode = True
    config.target_modules = sorted(config.target_modules)  # a set has another order in each process
    config.save_pretrained(str(folder))
    tensors = {name: tensor.cpu().contiguous() for name, tensor in _saved_as(model).items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


@torch.no_grad()
def load_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Put back what `save_adapter` wrote, bit for bit, in the additions' own tensors.

    Raises ValueError where they are of another rank, alpha or model.
    """
    saved, own = load_file(folder / WEIGHTS), _saved_as(model)
    written, config = json.loads((folder / CONFIG).read_text(encoding="utf-8")), _config(model)
    for key, said in (("r", "rank"), ("lora_alpha", "alpha")):
        if written[key] != getattr(config, key):
            raise ValueError(
                f"{folder} holds an adapter with lora.{said}={written[key]}, and this one has {getattr(config, key)}: "
                "set it to what it was"
            )
    if _shapes(saved) != _shapes(own):
        raise ValueError(f"{folder} holds an adapter of another model, or of other lora.targets, than this one")
    for name, tensor in own.items():
        tensor.copy_(saved[name])


def _targets(model: PreTrainedModel, targets: tuple[str, ...]) -> list[str]:
    """The full names of the linear layers that `targets` name, by whole names or their last parts."""
    head = model.get_output_embeddings()
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D)}
    found: set[str] = set()
    for target in targets:
        named = {name for name in linear if f".{name}".endswith(f".{target}")}
        if target == ALL_LINEAR:
            named = {name for name, module in linear.items() if module is not head}
        if not named:
            known = sorted({name.rpartition(".")[2] for name in linear} | {ALL_LINEAR})
            raise ValueError(
                f"lora.targets names {target!r}, and {type(model).__name__} has no such linear layer: "
                f"did you mean {nearest(target, known)}? (There are {', '.join(known)}.)"
            )
        found |= named
    tied = head is not None and head.weight is model.get_input_embeddings().weight
    if tied and any(linear[name] is head for name in found):
        raise ValueError(
            f"lora.targets names the head of {type(model).__name__}, which shares its matrix with the embeddings: "
            "an addition to one of the two could not be merged; leave it out"
        )
    return [name for name in linear if name in found]


def _layers(model: PreTrainedModel) -> dict[str, Any]:
    """peft's layers by the names of those that they stand for, in the model's order."""
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}


def _merged(layer: Any) -> Tensor:
    base = layer.get_base_layer()
    weight = _expanded(base, base.weight.detach())
    addition = layer.get_delta_weight(ADAPTER)
    return (weight.to(addition.dtype) + addition).to(weight.dtype)


def _expanded(module: nn.Module, weight: Tensor) -> Tensor:
    """`weight`, out of its 4 bits where it is in them."""
    from peft.utils.integrations import dequantize_module_weight

    return weight if weight.is_floating_point() else dequantize_module_weight(module).detach()


def _saved_as(model: PreTrainedModel) -> dict[str, Tensor]:
    """The additions' own tensors, by their names in peft's files."""
    from peft import get_peft_model_state_dict

    held = get_peft_model_state_dict(model, adapter_name=ADAPTER, save_embedding_layers=False)
    return {f"base_model.model.{name}": tensor for name, tensor in held.items()}


def _config(model: Any) -> Any:
    return model.peft_config[ADAPTER]


def _shapes(tensors: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
