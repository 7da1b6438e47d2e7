"""Which engine serves a recipe on this machine."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.threads import find_processes, is_small, physical_cores
from groupthink.model.workers import Workers
from groupthink.rollout.ahead_engine import AheadEngine
from groupthink.rollout.decoder import Decoder
from groupthink.rollout.engine import Engine
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.vllm.open import open_vllm
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.rollout.worker import draw
from groupthink.rollout.worker_engine import WorkerEngine

UNMEASURED = 2
"""Processes where nothing says how many draw fastest: a second one is nearly always worth it."""


def open_engine(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: RolloutSettings,
    device: torch.device,
    vllm: VllmSettings | None = None,
    folder: Path | None = None,
    decoder: Callable[[PreTrainedModel], Decoder] | None = None,
) -> Engine:
    """An engine that draws from `model`, which lies on `device`, and shares its weights.

    With a lag it draws in a process of its own, from a copy of them. vLLM has a copy, too; `folder` is for what it is
    told of the model and what it prints. `decoder`: what makes the embedded engine's; None: the fastest that agrees.
    """
    if settings.engine == "vllm":
        assert vllm is not None and folder is not None
        return open_vllm(model, tokenizer, settings, device, folder, vllm)
    assert model.device.type == device.type
    # A run that began on a CPU may go on, or be evaluated, on a GPU: that is not shared between processes.
    processes = (settings.processes or min(UNMEASURED, find_processes(model))) if device.type == "cpu" else 1
    alone = is_small(model) or processes > 1
    made = decoder(model) if decoder is not None else None
    engine = TorchEngine(model, tokenizer, decoder=made, threads=1 if alone else None)
    if settings.lag:
        threads = 1 if alone else max(1, physical_cores() // 2)
        at_once = settings.lag_by == "time"
        return AheadEngine(engine, lag=settings.lag, at_once=at_once, patience=settings.patience, threads=threads)
    return (
        engine if processes == 1 else WorkerEngine(engine, Workers(processes - 1, draw, "rollout"), settings.patience)
    )
