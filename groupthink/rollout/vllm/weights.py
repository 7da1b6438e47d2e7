"""The tensors that vLLM decodes with, read back by their Hugging Face names.

vLLM lays matrices side by side (q, k and v; gate and up). On a CPU it then packs them for its matrix products and
throws the parameters away, or, of the head, keeps a parameter that it does not multiply by. A checksum of parameters,
vLLM's own included, says nothing there: a matrix is read by multiplying the identity with it, by vLLM's own operation.
Each product is a weight times 1 plus zeros, so what comes out is exact.

Imported where vLLM is installed.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod
from vllm.model_executor.layers.vocab_parallel_embedding import (
    ParallelLMHead,
    UnquantizedEmbeddingMethod,
    VocabParallelEmbedding,
)

READABLE = UnquantizedLinearMethod, UnquantizedEmbeddingMethod


@torch.inference_mode()
def decoded_with(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
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
            rows = _rows(module, len(parts))
            named = {"weight": _matrix(path, module), "bias": getattr(module, "bias", None)}
            for kind, tensor in named.items():
                if tensor is not None:
                    for part, its in zip(parts, tensor[: sum(rows)].split(rows), strict=True):
                        yield f"{prefix}{part}.{kind}", its
        for name, parameter in module.named_parameters(recurse=False):
            if not matrix:
                yield f"{path}.{name}", parameter
            elif name not in ("weight", "bias"):
                raise ValueError(f"vLLM's {path} has {name}, which is not known how to read: rollout.engine='torch'")


def _rows(module: Any, parts: int) -> list[int]:
    """The rows of each part; those that pad a vocabulary come after them."""
    if isinstance(module, VocabParallelEmbedding):
        return [module.org_vocab_size]
    sizes = list(getattr(module, "output_sizes", [module.output_size]))
    return sizes if len(sizes) == parts else [sum(sizes)]


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
    inputs = module.embedding_dim if isinstance(module, VocabParallelEmbedding) else module.input_size
    identity = torch.eye(inputs, dtype=module.params_dtype)
    return module.quant_method.apply(module, identity, None).T
