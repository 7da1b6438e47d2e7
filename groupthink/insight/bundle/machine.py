"""What a run runs on: versions, the system, its memory, its GPUs."""

import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from groupthink.insight.plan.machine import free_memory
from groupthink.model.threads import physical_cores

PACKAGES = (
    *("groupthink", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pyarrow", "filelock"),
    *("triton", "peft", "bitsandbytes", "vllm", "ray", "datasets", "reasoning-gym", "verifiers", "math-verify"),
)


def machine(folder: Path) -> dict[str, Any]:
    """As JSON has it; `folder`: of whose disk it is said how much is free."""
    free = free_memory("cpu")
    return {
        "python": sys.version,
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "cores": {"physical": physical_cores(), "logical": os.cpu_count()},
        "memory_free_gb": None if free is None else round(free / 1e9, 1),
        "memory_gb": _memory_gb(),
        "disk_free_gb": round(shutil.disk_usage(folder).free / 1e9, 1),
        "gpus": _gpus(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _memory_gb() -> float | None:
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9, 1)


def _gpus() -> list[str] | str:
    """What torch says of them; where it cannot even be imported, why."""
    try:
        import torch

        found = [torch.cuda.get_device_properties(number) for number in range(torch.cuda.device_count())]
        return [f"{one.name}, {one.total_memory / 1e9:.1f} GB, CUDA {torch.version.cuda}" for one in found]
    except Exception as error:  # a broken installation is what may be asked about
        return f"{type(error).__name__}: {error}"
