"""vLLM for a recipe: within this process, or as one of its own."""

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.rollout.engine import Engine
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.engine import VllmEngine
from groupthink.rollout.vllm.process import VllmProcessEngine
from groupthink.rollout.vllm.request import require_law
from groupthink.rollout.vllm.settings import VllmSettings


def open_vllm(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: RolloutSettings,
    device: torch.device,
    folder: Path,
    vllm: VllmSettings,
) -> Engine:
    """An engine that draws from copies of `model`'s weights, which it holds when this returns.

    `folder` is made where it is not there; what vLLM is told of the model goes into it, and what its process prints.
    Raises ValueError for what vLLM cannot do, or where it is not installed.
    """
    require_law(settings.temperature, settings.top_p, settings.top_k, table="rollout.")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"vLLM does not compute on {device.type}: draw with rollout.engine='torch'")
    if not (vllm.own_process and vllm.python) and find_spec("vllm") is None:
        raise ValueError(
            "rollout.engine='vllm' needs the package vllm, which is not installed: pip install 'groupthink[vllm]', or "
            "name a Python that has it with vllm.python"
        )
    folder.mkdir(parents=True, exist_ok=True)
    if not vllm.own_process:
        return VllmEngine(model, tokenizer, vllm, folder)
    python = vllm.python or sys.executable
    if shutil.which(python) is None:
        raise ValueError(f"there is no Python {python!r}: name one that has vLLM with vllm.python")
    return VllmProcessEngine(model, tokenizer, vllm, folder, python=python, patience=settings.patience)
