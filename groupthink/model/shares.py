"""Tensors in a folder of safetensors files that each hold some of their rows: by several ranks, for any number.

That is torch's distributed checkpoint over its safetensors storage: which rows a file holds stands in its header, as
JSON. Nothing is pickled.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as checkpoint
from torch import Tensor
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.planner import SavePlan

FILE_BYTES = 5 * 10**9
"""Of a model's file, at most."""


class Writer(checkpoint.HuggingFaceStorageWriter):
    """Every rank's rows in a file of its own."""

    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        Path(self.path).mkdir(parents=True, exist_ok=True)
        return plan


Group = dist.ProcessGroup | None
"""The ranks that write or read together; None: this process alone."""


def write_shares(tensors: Mapping[str, Tensor], folder: Path, group: Group = None) -> None:
    """Each rank writes its rows (of a DTensor), and one of them what all hold; all call it with the same names."""
    writer = Writer(str(folder), save_distributed=True)
    checkpoint.save(dict(tensors), storage_writer=writer, process_group=group, no_dist=group is None)


def write_joined(tensors: Mapping[str, Tensor], folder: Path, group: Group = None) -> None:
    """`write_shares`; then one rank joins the files, tensor by tensor, into those of an ordinary model."""
    writer = Writer(
        str(folder), files_of(tensors), save_distributed=True, enable_consolidation=True, thread_count_consolidation=4
    )
    checkpoint.save(dict(tensors), storage_writer=writer, process_group=group, no_dist=group is None)
    if group is None or dist.get_rank(group) == 0:
        shutil.rmtree(writer.path)
        _plainly_named(folder)


def _plainly_named(folder: Path) -> None:
    """A model of one file has it by the name that everybody expects, and no index."""
    files = list(folder.glob("model-*.safetensors"))
    if len(files) == 1:
        files[0].rename(folder / "model.safetensors")
        (folder / "model.safetensors.index.json").unlink(missing_ok=True)


def files_of(tensors: Mapping[str, Tensor], most: int = FILE_BYTES) -> dict[str, int]:
    """In which of a model's files each tensor goes, counted from 1, so that a file has at most so many bytes.

    (A tensor that is larger has one of its own.)
    """
    files, room, file = dict[str, int](), 0, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.itemsize
        if not file or size > room:
            file, room = file + 1, most
        files[name], room = file, room - size
    return files


def read_shares(tensors: Mapping[str, Tensor], folder: Path, group: Group = None) -> None:
    """Fill these tensors, each rank its rows, in their own precision. All ranks call it with the same names.

    Raises ValueError where `folder` holds no such tensors.
    """
    held = shapes_in(folder)
    for name, tensor in tensors.items():
        if held.get(name) != tensor.shape:
            found = f"one of shape {tuple(held[name])}" if name in held else "none"
            raise ValueError(
                f"{folder} was saved of another model: of {name} it holds {found}, and {tuple(tensor.shape)} is wanted"
            )
    if tensors:
        reader = checkpoint.HuggingFaceStorageReader(str(folder))
        checkpoint.load(dict(tensors), storage_reader=reader, process_group=group, no_dist=group is None)


def shapes_in(folder: Path) -> dict[str, torch.Size]:
    """The tensors that the safetensors files of a folder hold, together."""
    return {name: its.size for name, its in _headers(folder).items()}


def _headers(folder: Path) -> dict[str, TensorStorageMetadata]:
    """Shapes and types, from the beginning of each file."""
    metadata = checkpoint.HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {name: its for name, its in metadata.items() if isinstance(its, TensorStorageMetadata)}


def read_whole(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder, whole, in the precision that they were saved in."""
    tensors = {name: torch.empty(its.size, dtype=its.properties.dtype) for name, its in _headers(folder).items()}
    if tensors:
        reader = checkpoint.HuggingFaceStorageReader(str(folder))
        checkpoint.load(tensors, storage_reader=reader, no_dist=True)
    return tensors
