"""Weights on their way to the engines: no process holds a copy that was gathered, and nobody waits for all of them.

    who learns      cuts what it holds into pieces, rows of parameters, and puts buckets of them where engines find them
    Delivery        what was put: a few words for each piece, and a reference to each bucket
    who draws       gets one bucket after the other, writes each piece to its rows, and takes its checksum there

A local learner puts whole parameters (`deliver`). Of several that share a model out each gives the rows that it holds,
and `learners.py` makes one delivery of them.

Buckets go through Ray's object store: shared memory on one machine, TCP between two, each machine fetching a bucket
once. There tensors travel as integers of their width, for NumPy knows no bfloat16. Or they stay on their device, as
copies that nothing changes, and engines read them there (`direct.py`). `scale.transport` says which, and `put_rows`
and `_arrived` are where it matters.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from groupthink.records import Weights
from groupthink.rollout.checksum import WORDS, checksum
from groupthink.rollout.sync import require_fresh, require_version
from groupthink.scale import direct

BUCKET_BYTES = 64 * 2**20
"""Of pieces that are fetched together: what an engine holds beside its own tensors while it takes new ones."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a parameter.

    Piece(name="model.norm.weight", first=0, count=32, dtype="bfloat16", checksum=9301)
    """

    name: str
    first: int  # the row, along the first dimension, that it begins with; a scalar is one row
    count: int  # rows
    dtype: str
    checksum: int  # of its values, as `rollout.checksum` takes it


@dataclass(frozen=True, slots=True)
class Bucket:
    """Pieces that travel together."""

    pieces: tuple[Piece, ...]
    reference: Any  # of Ray, on their rows in the same order: arrays of integers, or one tensor of bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """All weights of one version. Its buckets are kept as long as there is a reference on them somewhere."""

    version: int
    buckets: tuple[Bucket, ...]
    transport: str = "store"  # or "nixl": how buckets are fetched

    @property
    def pieces(self) -> list[Piece]:
        return [piece for bucket in self.buckets for piece in bucket.pieces]


@dataclass(frozen=True, eq=False, slots=True)
class DeliveredWeights(Weights):
    """Weights that were put already, by those who hold them; `tensors` may be empty."""

    delivery: Delivery


class Gathered(Mapping[str, Tensor]):
    """The tensors of a delivery, whole in this process, once somebody looks: a local engine does, no other one.

    `outline`: a model of these shapes, on the meta device for instance.
    """

    def __init__(self, delivery: Delivery, outline: PreTrainedModel, seconds: float):
        self._delivery, self._outline, self._seconds = delivery, outline, seconds

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    @cached_property
    def _tensors(self) -> dict[str, Tensor]:
        shapes = {name: its for name, its in self._outline.named_parameters()}
        tensors = {name: torch.empty(its.shape, dtype=its.dtype) for name, its in shapes.items()}
        assemble(self._delivery, tensors, self._seconds)
        return tensors


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that a process holds of a parameter: [count, ...], from row `first` on."""

    name: str
    first: int
    tensor: Tensor


def deliver(weights: Weights, transport: str = "store") -> Delivery:
    """Put all tensors, which lie whole in this process; or the delivery that `weights` has already."""
    if isinstance(weights, DeliveredWeights):
        return weights.delivery
    held = (Rows(name, 0, as_rows(it)) for name, it in weights.tensors.items())
    return put_rows(weights.version, held, transport=transport)


def put_rows(version: int, held: Iterable[Rows], most: int = BUCKET_BYTES, transport: str = "store") -> Delivery:
    """Put the rows that this process holds, in buckets of at most `most` bytes (or of one row)."""
    heaps = buckets_of(held, most)
    if transport == "store":
        return Delivery(version, tuple(map(_bucket, heaps)))
    buckets = direct.lay([[part.tensor for part in parts] for parts in heaps])
    return Delivery(version, tuple(map(_laid, heaps, buckets)), transport)


def buckets_of(held: Iterable[Rows], most: int = BUCKET_BYTES) -> list[list[Rows]]:
    """Rows in buckets of at most `most` bytes (or of one row)."""
    cut = [part for rows in held for part in _cut(rows, most)]
    return packed(cut, lambda part: part.tensor.nbytes, most)


@torch.no_grad()
def assemble(
    delivery: Delivery, tensors: Mapping[str, Tensor], seconds: float, told: Callable[[], None] = lambda: None
) -> None:
    """Write a delivery into `tensors`, and make sure of what has come.

    `seconds`: how long each bucket is waited for; `told` is called after each. Raises ValueError, before anything is
    fetched, where rows are missing, come twice or are not these tensors', and RuntimeError where a bucket does not come
    or holds other values than were put.
    """
    require_all_rows(delivery.pieces, tensors)
    heaps = [[_rows_of(piece, tensors) for piece in bucket.pieces] for bucket in delivery.buckets]
    for bucket, owned, came in zip(delivery.buckets, heaps, _arrived(delivery, heaps, seconds), strict=True):
        for piece, own, arrived in zip(bucket.pieces, owned, came, strict=True):
            if arrived.shape != own.shape:
                raise RuntimeError(f"{_said(piece)} came as {list(arrived.shape)}, and is {list(own.shape)} here")
            own.copy_(arrived)
            if checksum(own) != piece.checksum:
                raise RuntimeError(
                    f"{_said(piece)}, of version {delivery.version}, did not arrive as they were sent: their checksum "
                    "is another one"
                )
        told()


def require_all_rows(pieces: Iterable[Piece], tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless `pieces` cover every row of every tensor exactly once, in its type."""
    spans: dict[str, list[Piece]] = {name: [] for name in tensors}
    for piece in pieces:
        if piece.name not in spans:
            raise ValueError(f"{_said(piece)} came, and this model has no such parameter: deliver this model's weights")
        if piece.dtype != str(tensors[piece.name].dtype).removeprefix("torch."):
            raise ValueError(
                f"{_said(piece)} came in {piece.dtype}, and the engine's are {tensors[piece.name].dtype}: deliver "
                "weights in the type that the engine draws in"
            )
        spans[piece.name].append(piece)
    for name, found in spans.items():
        rows, reached = len(as_rows(tensors[name])), 0
        for piece in sorted(found, key=lambda piece: piece.first):
            if piece.first < reached:
                raise ValueError(
                    f"rows {piece.first} to {min(reached, piece.first + piece.count)} of {name} came twice"
                )
            if piece.first > reached:
                raise ValueError(f"rows {reached} to {piece.first} of {name} did not come")
            reached = piece.first + piece.count
        if reached < rows:
            raise ValueError(f"rows {reached} to {rows} of {name} did not come")
        if reached > rows:
            raise ValueError(f"rows up to {reached} of {name} came, and it has {rows}")


def require_delivered(weights: Weights, delivery: Delivery) -> None:
    """Raise RuntimeError unless `delivery` is what was put of exactly these weights, as far as they lie here."""
    require_version(weights.version, delivery.version)
    if isinstance(weights, DeliveredWeights):
        return  # they were put by those who hold them, with their checksums
    now = {name: as_rows(tensor) for name, tensor in weights.tensors.items()}
    parts = ((piece, now[piece.name][piece.first : piece.first + piece.count]) for piece in delivery.pieces)
    stale = {piece.name: None for piece, rows in parts if checksum(rows) != piece.checksum}
    require_fresh([*stale], weights.version)


def as_rows(tensor: Tensor) -> Tensor:
    """The same values with a first dimension, where there is none."""
    held = tensor.detach()
    return held if held.ndim else held[None]


def packed(items: Iterable[Any], size: Callable[[Any], int], most: int) -> list[list[Any]]:
    """Items in their order, in heaps of at most `most` in all; one that is larger has a heap of its own.

    >>> packed([3, 4, 2, 9, 1], lambda item: item, 7)
    [[3, 4], [2], [9], [1]]
    """
    heaps: list[list[Any]] = []
    room = 0
    for item in items:
        if size(item) > room or not heaps:
            heaps.append([])
            room = most
        heaps[-1].append(item)
        room -= size(item)
    return heaps


def _rows_of(piece: Piece, tensors: Mapping[str, Tensor]) -> Tensor:
    return as_rows(tensors[piece.name])[piece.first : piece.first + piece.count]


def _said(piece: Piece) -> str:
    return f"rows {piece.first} to {piece.first + piece.count} of {piece.name}"


def _cut(rows: Rows, most: int) -> Iterable[Rows]:
    each = max(1, most // max(1, rows.tensor[:1].nbytes))  # rows of a piece
    for start in range(0, len(rows.tensor), each):
        yield Rows(rows.name, rows.first + start, rows.tensor[start : start + each])


def _bucket(parts: Sequence[Rows]) -> Bucket:
    return Bucket(tuple(map(piece_of, parts)), _put([as_words(part.tensor) for part in parts]))


def _laid(parts: Sequence[Rows], bucket: Tensor) -> Bucket:
    """Of parts that were copied into `bucket`, where their checksums are taken."""
    copies = direct.parted(bucket, [part.tensor for part in parts])
    pieces = (piece_of(replace(part, tensor=copy)) for part, copy in zip(parts, copies, strict=True))
    return Bucket(tuple(pieces), direct.put(bucket))


def piece_of(part: Rows) -> Piece:
    dtype = str(part.tensor.dtype).removeprefix("torch.")
    return Piece(part.name, part.first, len(part.tensor), dtype, checksum(part.tensor))


def as_words(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().view(WORDS[tensor.itemsize]).numpy()


def _as_tensor(words: np.ndarray) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of memory that is not to be written: it is read here
        return torch.from_numpy(words)


def _put(arrays: list[np.ndarray]) -> Any:
    import ray

    return ray.put(arrays)


def _arrived(delivery: Delivery, heaps: Sequence[Sequence[Tensor]], seconds: float) -> Iterator[Sequence[Tensor]]:
    """Bucket by bucket what has come, each until the next one is asked for. `heaps`: tensors that it is to be like."""
    if delivery.transport == "store":
        for bucket, owned in zip(delivery.buckets, heaps, strict=True):
            words = _got(bucket, seconds, delivery.version)
            yield [_as_tensor(its).view(own.dtype) for its, own in zip(words, owned, strict=True)]
        return
    sizes = [direct.bytes_of([own.nbytes for own in owned]) for owned in heaps]
    if not sizes:
        return
    with direct.Landing(heaps[0][0].device, max(sizes)) as landing:
        for bucket, owned, size in zip(delivery.buckets, heaps, sizes, strict=True):
            with _coming(bucket, seconds, delivery.version):
                came = landing.read(bucket.reference, size, seconds)
            yield direct.parted(came, owned)


def _got(bucket: Bucket, seconds: float, version: int) -> list[np.ndarray]:
    import ray

    with _coming(bucket, seconds, version):
        return ray.get(bucket.reference, timeout=seconds)


@contextmanager
def _coming(bucket: Bucket, seconds: float, version: int) -> Iterator[None]:
    """Raises RuntimeError in words where a bucket does not come."""
    import ray

    errors = ray.exceptions
    try:
        yield
    except (errors.ObjectLostError, errors.GetTimeoutError, errors.RaySystemError, errors.RayActorError) as error:
        names = [name for name, _ in groupby(piece.name for piece in bucket.pieces)]
        raise RuntimeError(
            f"weights of version {version} did not come within {seconds:g} s ({type(error).__name__}; {names[0]} and "
            f"{len(names) - 1} more parameters of their bucket): who put them is gone, or the network is too slow"
        ) from error
