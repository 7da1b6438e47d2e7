"""native.c as Python calls it: one step of a small Llama or Qwen3 in one call, on a CPU."""

import ctypes
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

from groupthink.model.llama import knows, shape_of
from groupthink.model.threads import is_small
from groupthink.rollout.fast import Layer, fuse, named

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


@cache
def library() -> ctypes.CDLL | None:
    """native.c as it was compiled at installation; None where it was not, or this processor cannot run it."""
    found = find_spec("groupthink.rollout._native")
    if found is None or found.origin is None:
        return None
    loaded = ctypes.CDLL(found.origin)
    loaded.groupthink_scratch_floats.restype = ctypes.c_int64
    return loaded if loaded.groupthink_can_run() else None


def can_compute(model: PreTrainedModel) -> bool:
    """Whether native.c is there, and written for this model's architecture, sizes and precision."""
    if not (knows(model) and is_small(model) and model.dtype == torch.float32 and library() is not None):
        return False
    sizes = (model.config.hidden_size, shape_of(model).head_dim, model.config.intermediate_size)
    return all(size % PANEL == 0 for size in sizes) and model.config.hidden_act == "silu"


class Step:
    """A model's weights as they are, packed, and the call that takes rows one token further."""

    @torch.inference_mode()
    def __init__(self, model: PreTrainedModel):
        library_, body, config, shape = library(), model.base_model, model.config, shape_of(model)
        assert library_ is not None
        self.library, self.rope = library_, body.rotary_emb
        self.vocab = len(model.get_output_embeddings().weight)
        self.embedding = model.get_input_embeddings().weight
        self.head = pack(model.get_output_embeddings().weight * body.norm.weight)
        self.layers = [_packed(fuse(layer, shape)) for layer in body.layers]
        self.shape = _Shape(
            *(len(self.layers), config.hidden_size, shape.heads, shape.kv_heads, shape.head_dim),
            *(config.intermediate_size, self.vocab, self.layers[0].qk_norm is not None, shape.epsilon),
        )
        self._layers = (_Layer * len(self.layers))(
            *(_Layer(**{name: _address(tensor) for name, tensor in layer._asdict().items()}) for layer in self.layers)
        )
        self.cosine = self.sine = torch.empty(0, shape.head_dim // 2)
        self._scratch = torch.empty(0)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All that a step multiplies by, by name."""
        return named(self.layers, embedding=self.embedding, head=self.head)

    def page_shape(self) -> tuple[int, ...]:
        """Floats of a page: [layers, keys and values, Hkv, tokens times D]."""
        return self.shape.layers, 2, self.shape.kv_heads, PAGE * self.shape.head_dim

    def __call__(
        self,
        pool: Tensor,
        token_ids_N: np.ndarray,
        shared_NP: np.ndarray,
        seen_N: np.ndarray,
        own_pages_NP: np.ndarray,
        own_N: np.ndarray,
        wanted_W: np.ndarray,
    ) -> Tensor:
        """Append a token to each row; gives the logits [W, V] after the rows `wanted_W`, which rise.

        Row n follows the `seen_N[n]` tokens in the pages `shared_NP[n]` of the pool, then `own_N[n]` tokens in the
        pages `own_pages_NP[n]`, of which the last has room for one more. Of rows that share pages of their own, as the
        tokens of a prompt do, each is written down before any attends.
        """
        N, V = len(token_ids_N), self.vocab
        assert shared_NP.shape == own_pages_NP.shape
        if token_ids_N.min() < 0 or token_ids_N.max() >= len(self.embedding):
            raise ValueError(f"token ids go from 0 to {len(self.embedding) - 1}: found one outside")
        positions_N = _int32(seen_N + own_N)
        longest = int(positions_N.max()) + 1
        self._make_room(longest)
        needed = self.library.groupthink_scratch_floats(ctypes.byref(self.shape), N, longest)
        if len(self._scratch) < needed:
            self._scratch = torch.empty(needed)
        logits_WV = torch.empty(len(wanted_W), -(-V // PANEL) * PANEL)
        columns = [
            np.ascontiguousarray(token_ids_N, np.int64),
            *map(_int32, (positions_N, shared_NP, seen_N, own_pages_NP, own_N)),
        ]
        wanted = _int32(wanted_W)
        self.library.groupthink_step(
            *(ctypes.byref(self.shape), self._layers),
            *(_pointer(tensor) for tensor in (self.embedding, self.head, self.cosine, self.sine, pool)),
            *(N, *(ctypes.c_void_p(column.ctypes.data) for column in columns)),
            *(shared_NP.shape[1], longest, len(wanted), ctypes.c_void_p(wanted.ctypes.data)),
            *(_pointer(logits_WV), _pointer(self._scratch)),
        )
        return logits_WV[:, :V]

    def _make_room(self, tokens: int) -> None:
        """Angles for so many positions."""
        if tokens > len(self.cosine):
            cosine, sine = self.rope(self.embedding, torch.arange(2 * tokens)[None])
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


def _int32(column: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(column, np.int32)


def _address(tensor: Tensor | None) -> int | None:
    assert tensor is None or tensor.is_contiguous()
    return None if tensor is None else tensor.data_ptr()


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(_address(tensor))
