"""Which engine serves a recipe on this machine."""

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.threads import physical_cores
from groupthink.rollout.engine import Engine
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.worker_engine import WorkerEngine
from groupthink.rollout.workers import Workers

SMALL = 50_000_000
"""Parameters; below this a matrix product is too short to be worth sharing between threads."""


def open_engine(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    settings: RolloutSettings,
    device: torch.device,
    *,
    workers: Workers | None = None,
) -> Engine:
    """An engine that draws from `model`, which lies on `device`, and shares its weights.

    `workers`: processes that were started early, so that they got ready beside this one.
    """
    assert model.device.type == device.type
    processes = settings.processes or find_processes(model, device)
    small = device.type == "cpu" and model.num_parameters() < SMALL
    engine = TorchEngine(model, tokenizer, threads=1 if small or processes > 1 else None)
    if processes == 1:
        return engine
    workers = workers or Workers(processes - 1)
    if len(workers) != processes - 1:
        raise ValueError(
            f"{len(workers)} workers were started, and rollout.processes={processes} needs {processes - 1}"
        )
    return WorkerEngine(engine, workers)


def find_processes(model: PreTrainedModel, device: torch.device) -> int:
    """How many processes should generate: a small model on a CPU has no use for threads, but for a second process."""
    return 2 if device.type == "cpu" and physical_cores() >= 2 and model.num_parameters() < SMALL else 1
