"""The machines of a cluster, as far as a plan needs to know them."""

from collections.abc import Mapping
from dataclasses import dataclass

GPU_BYTES: Mapping[str, float] = {
    "T4": 16e9,
    "V100": 32e9,
    "A10G": 24e9,
    "L4": 24e9,
    "L40S": 48e9,
    "A100": 80e9,
    "A100-40G": 40e9,
    "A100-80G": 80e9,
    "H100": 80e9,
    "H200": 141e9,
    "B200": 180e9,
}
"""Memory by Ray's names of GPUs; of those that come in two sizes the larger. (Data sheets of NVIDIA.)"""

SMALLER: Mapping[str, float] = {"V100": 16e9, "A100": 40e9}
"""The other size of those."""


@dataclass(frozen=True, slots=True)
class Node:
    """Node("head", cpus=8, gpus=0, memory=32e9)"""

    name: str
    cpus: float  # that are free, in Ray's ledger
    gpus: float
    memory: float | None  # bytes that are free; None: unknown
    gpu_memory: float | None = None  # of each GPU, at most
    gpu_memory_least: float | None = None  # where Ray's name for it is that of two sizes: of the smaller
    cores: float = 0.0  # that it has, busy or not; 0: as many as are free

    @property
    def speed(self) -> float:
        """Cores' worth of parts that are not slowed down by each other."""
        return self.cores or self.cpus


def node_of(name: str, resources: Mapping[str, float], free: Mapping[str, float]) -> Node:
    """A machine by what Ray says that it has, and what of it is free.

    >>> node_of("a", {"CPU": 8, "GPU": 1, "accelerator_type:L4": 1}, {"CPU": 6, "GPU": 1, "memory": 3e10})
    Node(name='a', cpus=6, gpus=1, memory=30000000000.0, gpu_memory=24000000000.0, gpu_memory_least=None, cores=8)
    """
    kinds = [kind.removeprefix("accelerator_type:") for kind in resources if kind.startswith("accelerator_type:")]
    return Node(
        name,
        cpus=free.get("CPU", 0.0),
        gpus=free.get("GPU", 0.0),
        memory=free.get("memory"),
        gpu_memory=next((GPU_BYTES[kind] for kind in kinds if kind in GPU_BYTES), None),
        gpu_memory_least=next((SMALLER[kind] for kind in kinds if kind in SMALLER), None),
        cores=resources.get("CPU", 0.0),
    )
