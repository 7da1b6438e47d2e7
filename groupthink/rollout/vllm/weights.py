"""The tensors that vLLM decodes with, read back by their Hugging Face names.

vLLM lays matrices side by side (q, k and v; gate and up). On a CPU it then packs them for its matrix products and
throws the parameters away, or, of the head, keeps a parameter that it does not multiply by. A checksum of parameters,
vLLM's own included, says nothing there: a matrix is read by multiplying the identity with it, by vLLM's own operation.
Each product is a weight times 1 plus zeros, so what comes out is exact.

Where several processes share a model out, each has some rows of a matrix, or some columns.

Imported where vLLM is installed.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from vllm.model_executor.layers.linear import (
    ColumnParallelLinear,
    LinearBase,
    RowParallelLinear,
    UnquantizedLinearMethod,
)
from vllm.model_executor.layers.vocab_parallel_embedding import (
    ParallelLMHead,
    UnquantizedEmbeddingMethod,
    VocabParallelEmbedding,
)

from groupthink.rollout.checksum import Place, checksum

READABLE = UnquantizedLinearMethod, UnquantizedEmbeddingMethod


class Shard(NamedTuple):
    """What a process has of a tensor; alone it has all of it."""

    tensor: Tensor
    place: Place = (0, 0)
    columns: int | None = None  # of the whole, where it has not all of them

    def checksum(self) -> int:
        return checksum(self.tensor, self.place, self.columns)


@torch.inference_mode()
def decoded_with(model: nn.Module) -> Iterator[tuple[str, Shard]]:
    """Each tensor of a vLLM model as it takes part in a forward pass, fused ones in their parts.

    Raises ValueError for a layer that cannot be read.
    """
    packed = getattr(model, "packed_modules_mapping", {})
    for path, module in model.named_modules():
        fused, _, leaf = path.rpartition(".")
        prefix = f"{fused}." if fused else ""
        matrix = isinstance(module, (LinearBase, VocabParallelEmbedding))
        if matrix:
            parts = packed.get(leaf, [leaf])
            rows, starts = _rows(module, len(parts))
            column, columns = _columns(module)
            named = {"weight": _matrix(path, module), "bias": getattr(module, "bias", None)}
            for kind, tensor in named.items():
                if tensor is not None:
                    whole = (column, columns) if tensor.dim() > 1 else (0, None)
                    for part, start, its in zip(parts, starts, tensor[: sum(rows)].split(rows), strict=True):
                        yield f"{prefix}{part}.{kind}", Shard(its, (start, whole[0]), whole[1])
        for name, parameter in module.named_parameters(recurse=False):
            if not matrix:
                yield f"{path}.{name}", Shard(parameter)
            elif name not in ("weight", "bias"):
                raise ValueError(f"vLLM's {path} has {name}, which is not known how to read: rollout.engine='torch'")


def _rows(module: Any, parts: int) -> tuple[list[int], list[int]]:
    """The rows of each part that this process has, and where they begin; those that pad a vocabulary come after."""
    if isinstance(module, VocabParallelEmbedding):
        own = module.shard_indices
        return [own.num_org_elements], [own.org_vocab_start_index]
    sizes = list(getattr(module, "output_sizes", [module.output_size]))
    sizes = sizes if len(sizes) == parts else [sum(sizes)]
    if not isinstance(module, ColumnParallelLinear):
        return sizes, [0] * len(sizes)
    rows = [size // module.tp_size for size in sizes]
    # Where there are fewer heads of keys than processes, several have the same one; of queries each has its own.
    copies = [1, *[getattr(module, "num_kv_head_replicas", 1)] * (len(rows) - 1)]
    return rows, [module.tp_rank // times * size for times, size in zip(copies, rows, strict=True)]


def _columns(module: Any) -> tuple[int, int | None]:
    """The first column that this process has, and of how many, where it has not all."""
    if isinstance(module, RowParallelLinear) and module.tp_size > 1:
        return module.tp_rank * module.input_size_per_partition, module.input_size
    return 0, None


def _matrix(path: str, module: Any) -> Tensor:
    """[outputs, inputs]: what an input is multiplied by, or what an embedding is looked up in."""
    if not isinstance(module.quant_method, READABLE):
        raise ValueError(
            f"vLLM computes {path} by {type(module.quant_method).__name__}, whose weights cannot be read back: "
            "take an unquantised model, or rollout.engine='torch'"
        )
    looked_up = isinstance(module, VocabParallelEmbedding) and not isinstance(module, ParallelLMHead)
    if looked_up or not hasattr(module, "cpu_linear"):
        return module.weight
    if isinstance(module, VocabParallelEmbedding):
        inputs = module.embedding_dim
    else:
        inputs = getattr(module, "input_size_per_partition", module.input_size)
    identity = torch.eye(inputs, dtype=module.params_dtype)
    return module.quant_method.apply(module, identity, None).T
