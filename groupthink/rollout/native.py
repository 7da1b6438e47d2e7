"""native.c as Python calls it: one step of a small Llama or Qwen3 in one call, on a CPU."""

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

from groupthink.model.compiled import compiled
from groupthink.model.llama import knows, shape_of
from groupthink.model.threads import is_small
from groupthink.rollout.fast import Layer, fuse, named
from groupthink.rollout.native_law import FLOATS, Columns

PAGE = 32  # tokens whose keys and values lie together; BLOCK in native.c
PANEL = 16  # columns of packed weights that lie side by side, likewise


class _Shape(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int32) for name in ("layers", "hidden", "heads", "kv_heads")),
        *((name, ctypes.c_int32) for name in ("head_dim", "intermediate", "vocab", "qk_norm")),
        ("epsilon", ctypes.c_float),
    )


class _Layer(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("qkv", "out", "gate_up", "down", "qk_norm"))


class _Model(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_void_p) for name in ("layers", "embedding", "head", "cosine", "sine", "pool"))


class _Rows(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("shared", "mine", "seen", "own")),
        *((name, ctypes.c_int64) for name in ("table", "page_floats")),
    )


@cache
def library() -> ctypes.CDLL | None:
    """native.c as it was compiled at installation; None where it was not, or this processor cannot run it."""
    if (loaded := compiled("groupthink.rollout._native")) is None:
        return None
    pointer: Any = ctypes.c_void_p
    number: Any = ctypes.c_int32
    loaded.groupthink_scratch_floats.restype = ctypes.c_int64
    loaded.groupthink_scratch_floats.argtypes = (pointer, number)
    loaded.groupthink_step.argtypes = (*[pointer] * 3, number, pointer, number, *[pointer] * 3)
    loaded.groupthink_draw_many.argtypes = (*[pointer] * 4, number, number, pointer, ctypes.c_int64, *[pointer] * 4)
    return loaded if loaded.groupthink_can_run() else None


def can_compute(model: PreTrainedModel) -> bool:
    """Whether native.c is there, and written for this model's architecture, sizes and precision."""
    if not (knows(model) and is_small(model) and model.dtype == torch.float32 and library() is not None):
        return False
    sizes = (model.config.hidden_size, shape_of(model).head_dim, model.config.intermediate_size)
    return all(size % PANEL == 0 for size in sizes) and model.config.hidden_act == "silu"


@dataclass(frozen=True, slots=True)
class Rows:
    """Row n follows `seen_N[n]` tokens in the pages `shared_NP[n]`, then `own_N[n]` tokens in the pages `own_NP[n]`.

    Contiguous columns of int32. The last of a row's own pages have room for the tokens that are to come.
    """

    shared_NP: np.ndarray
    own_NP: np.ndarray
    seen_N: np.ndarray
    own_N: np.ndarray

    def for_c(self, pool: Tensor) -> Any:
        columns = (self.shared_NP, self.own_NP, self.seen_N, self.own_N)
        assert all(column.dtype == np.int32 and column.flags.c_contiguous for column in columns)
        assert self.shared_NP.shape == self.own_NP.shape
        return ctypes.byref(_Rows(*(column.ctypes.data for column in columns), self.own_NP.shape[1], pool.stride(0)))


class Step:
    """A model's weights as they are, packed, and the call that takes rows one token further."""

    @torch.inference_mode()
    def __init__(self, model: PreTrainedModel):
        library_, body, config, shape = library(), model.base_model, model.config, shape_of(model)
        assert library_ is not None
        self.library, self.rope = library_, body.rotary_emb
        self.vocab = len(model.get_output_embeddings().weight)
        self.embedding = model.get_input_embeddings().weight
        assert len(self.embedding) == self.vocab
        self.head = pack(model.get_output_embeddings().weight * body.norm.weight)
        self.layers = [_packed(fuse(layer, shape)) for layer in body.layers]
        self.shape = _Shape(
            *(len(self.layers), config.hidden_size, shape.heads, shape.kv_heads, shape.head_dim),
            *(config.intermediate_size, self.vocab, self.layers[0].qk_norm is not None, shape.epsilon),
        )
        self._layers = (_Layer * len(self.layers))(
            *(_Layer(**{name: _address(tensor) for name, tensor in layer._asdict().items()}) for layer in self.layers)
        )
        self._shape, self._pages = ctypes.byref(self.shape), 0
        self.cosine = self.sine = self._scratch = torch.empty(0)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All that a step multiplies by, by name."""
        return named(self.layers, embedding=self.embedding, head=self.head)

    def page_shape(self) -> tuple[int, ...]:
        """Floats of a page: [layers, keys and values, Hkv, tokens times D]."""
        return self.shape.layers, 2, self.shape.kv_heads, PAGE * self.shape.head_dim

    def __call__(self, pool: Tensor, rows: Rows, token_ids_N: np.ndarray, wanted_W: np.ndarray) -> Tensor:
        """Append a token to each row; gives the logits [W, V] after the rows `wanted_W`, which rise.

        Of rows that share pages of their own, as the tokens of a prompt do, each is written down before any attends.
        Raises ValueError for a token that is none.
        """
        N, W = len(token_ids_N), len(wanted_W)
        ids_N, wanted = np.ascontiguousarray(token_ids_N, np.int64), np.ascontiguousarray(wanted_W, np.int32)
        logits_WV = self._logits(W)
        unknown = self.library.groupthink_step(
            *(self._shape, self._model_with(pool, rows), rows.for_c(pool)),
            *(N, ids_N.ctypes.data, W, wanted.ctypes.data, logits_WV.data_ptr(), self._scratch.data_ptr()),
        )
        if unknown >= 0:
            raise ValueError(f"token ids go from 0 to {self.vocab - 1}: found {ids_N[unknown]}")
        return logits_WV[:, : self.vocab]

    def draw_many(
        self, pool: Tensor, rows: Rows, most: int, logits_NV: Tensor, columns: Columns, is_stop_V: np.ndarray
    ) -> tuple[Tensor, np.ndarray]:
        """Draw up to `most` tokens for each row, the first by `logits_NV`, and write them down.

        Gives the logits [N, V] after the last of them, and which rows have ended [N]: those have none. `rows.own_N`
        moves on.
        """
        N, V = logits_NV.shape
        assert self.vocab == V and logits_NV.stride(1) == 1 and is_stop_V.dtype == np.bool_ and len(is_stop_V) >= V
        after_NV, ended_N = self._logits(N), np.zeros(N, np.bool_)
        self.library.groupthink_draw_many(
            *(self._shape, self._model_with(pool, rows), rows.for_c(pool), ctypes.byref(columns), N, most),
            *(logits_NV.data_ptr(), logits_NV.stride(0), is_stop_V.ctypes.data),
            *(after_NV.data_ptr(), ended_N.ctypes.data, self._scratch.data_ptr()),
        )
        return after_NV[:, :V], ended_N

    def _logits(self, rows: int) -> Tensor:
        return torch.empty(rows, -(-self.vocab // PANEL) * PANEL, **FLOATS)

    def _model_with(self, pool: Tensor, rows: Rows) -> Any:
        """What C reads of the model; what depends on how long rows are is made anew where they have grown."""
        self._make_room(rows.shared_NP.shape[1])
        tensors = (self.embedding, self.head, self.cosine, self.sine, pool)
        return ctypes.byref(_Model(ctypes.addressof(self._layers), *map(Tensor.data_ptr, tensors)))

    def _make_room(self, pages: int) -> None:
        """Scratch memory and angles for rows of so many pages, twice."""
        if pages > self._pages:
            self._pages = 2 * pages
            self._scratch = torch.empty(self.library.groupthink_scratch_floats(self._shape, self._pages), **FLOATS)
            cosine, sine = self.rope(self.embedding, torch.arange(2 * self._pages * PAGE)[None])
            half = self.shape.head_dim // 2
            self.cosine, self.sine = (angle[0, :, :half].contiguous() for angle in (cosine, sine))


def pack(weight_NK: Tensor) -> Tensor:
    """[N / 16, K, 16]: for each k, 16 columns of the product side by side; N is filled up with zeros."""
    N, K = weight_NK.shape
    return pad(weight_NK, (0, 0, 0, -N % PANEL)).view(-1, PANEL, K).transpose(1, 2).contiguous()


def _packed(layer: Layer) -> Layer:
    gate_up = layer.gate_up.view(2, -1, PANEL // 2, layer.gate_up.shape[1])  # 8 gates beside the 8 that they open
    return Layer(
        qkv=pack(layer.qkv),
        qk_norm=layer.qk_norm,
        out=pack(layer.out),
        gate_up=pack(gate_up.transpose(0, 1).reshape(layer.gate_up.shape)),
        down=pack(layer.down),
    )


def _address(tensor: Tensor | None) -> int | None:
    assert tensor is None or tensor.is_contiguous()
    return None if tensor is None else tensor.data_ptr()
