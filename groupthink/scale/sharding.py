"""A model whose tensors are shared out among ranks by rows: torch's FSDP2 (arXiv 2304.11277)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, Shard

from groupthink.model.scoring import TokenScorer
from groupthink.model.threads import is_small


def shard(scorer: TokenScorer, mesh: DeviceMesh) -> None:
    """Leave each rank of `mesh` the rows of every tensor that are its own; they lie on the mesh's device.

    A pass gathers what it needs, layer by layer, and its gradient is added over the ranks (summed: the weights of a
    batch hold the mean). A small model on a CPU is gathered whole, for which one message is sooner sent, and its
    hand-written pass goes on being used. Parameters of lower precision than float32 are held in float32, and rounded
    when they are gathered, so that an update is never rounded away.
    """
    dtype = scorer.model.dtype
    how = MixedPrecisionPolicy()
    if dtype.itemsize < torch.float32.itemsize:
        how = MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)
        scorer.float()
    if not (mesh.device_type == "cpu" and is_small(scorer.model)):
        for layer in _layers(scorer.model):
            fully_shard(layer, mesh=mesh, mp_policy=how)
    fully_shard(scorer, mesh=mesh, mp_policy=how)
    register_fsdp_forward_method(scorer, "laws")
    for module in scorer.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            # Without it the factor goes into the reduction itself, which gloo does not know.
            module.set_force_sum_reduction_for_comms(True)


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    """The decoder's layers: what transformers keeps whole on one device."""
    whole = set(getattr(model, "_no_split_modules", None) or ())
    return (module for module in list(model.modules()) if type(module).__name__ in whole)


def own_rows(tensor: Tensor) -> tuple[int, Tensor]:
    """The first of a tensor's rows that lie on this rank, and these rows."""
    assert isinstance(tensor, DTensor)
    [placement] = tensor.placements
    assert isinstance(placement, Shard) and placement.dim == 0, f"shared out by rows, not {placement}"
    own, offset = placement.local_shard_size_and_offset(
        tensor.shape[0], tensor.device_mesh.size(), tensor.device_mesh.get_local_rank()
    )
    assert len(tensor.to_local()) == own
    return offset, tensor.to_local()
