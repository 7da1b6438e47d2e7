"""Seconds for weights to go from one process to another, by each `scale.transport`, checksums on both sides included.

    python bench/transport.py [--megabytes 160] [--rounds 7]

Two actors of a cluster of Ray that is started on this machine; the ways take turns. In memory of CPUs, whatever GPUs
there are.
"""

import argparse
import os
import statistics
import time
from typing import Any

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch

from groupthink.records import Weights
from groupthink.scale.cluster import Cluster
from groupthink.scale.settings import TRANSPORTS, ScaleSettings
from groupthink.scale.weights import Delivery, assemble, deliver

ROWS, COLUMNS, LAYERS = 2048, 1024, 20


def tensors(megabytes: int) -> dict[str, torch.Tensor]:
    """In bfloat16, some matrices and vectors."""
    rows = max(1, megabytes * 10**6 // (2 * COLUMNS * LAYERS) - 1)
    return {
        f"{layer}.{name}": torch.zeros(shape, dtype=torch.bfloat16)
        for layer in range(LAYERS)
        for name, shape in (("matrix", (rows, COLUMNS)), ("norm", (COLUMNS,)))
    }


class Sender:
    def __init__(self, megabytes: int):
        self.tensors = {name: torch.randn(its.shape).to(its.dtype) for name, its in tensors(megabytes).items()}

    def put(self, transport: str) -> tuple[Delivery, float]:
        began = time.perf_counter()
        return deliver(Weights(0, self.tensors), transport), time.perf_counter() - began


class Reader:
    def __init__(self, megabytes: int):
        self.tensors = tensors(megabytes)

    def take(self, delivery: Delivery) -> float:
        began = time.perf_counter()
        assemble(delivery, self.tensors, 60.0)
        return time.perf_counter() - began


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=160)
    options.add_argument("--rounds", type=int, default=7)
    asked = options.parse_args()
    cluster = Cluster(ScaleSettings(engines=1, learners=1, transport="nixl"))
    ray: Any = cluster.ray
    sender = ray.remote(enable_tensor_transport=True)(Sender).remote(asked.megabytes)
    reader = ray.remote(Reader).remote(asked.megabytes)
    found: dict[str, list[tuple[float, float]]] = {transport: [] for transport in TRANSPORTS}
    for place in range(asked.rounds + 1):
        for transport in TRANSPORTS:
            delivery, put = ray.get(sender.put.remote(transport))
            taken = ray.get(reader.take.remote(delivery))
            if place:  # the first one begins NIXL, and memory
                found[transport].append((put, taken))
    for transport, times in found.items():
        puts, takes = zip(*times, strict=True)
        print(
            f"{transport}: put {statistics.median(puts):.3f} s, taken {statistics.median(takes):.3f} s "
            f"(medians of {asked.rounds}; all {[round(put + take, 3) for put, take in times]})"
        )
    cluster.close()


if __name__ == "__main__":
    main()
