"""native.c as Python calls it: what stands between the matrix products of a layer, on one core of a CPU."""

import ctypes
from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from groupthink.model.between import Between
from groupthink.model.compiled import compiled
from groupthink.model.llama import Shape


@cache
def library() -> ctypes.CDLL | None:
    """native.c as it was compiled at installation; None where it was not, or this processor cannot run it."""
    if (loaded := compiled("groupthink.model._native")) is None:
        return None
    loaded.groupthink_scratch_floats.restype = ctypes.c_int64
    return loaded if loaded.groupthink_can_run() else None


def can_compute(shape: Shape, hidden: int, intermediate: int, dtype: torch.dtype) -> bool:
    """Whether native.c is there, and written for such sizes and this precision."""
    whole = shape.head_dim % 16 == 0 and hidden % 8 == 0 and intermediate % 8 == 0
    return whole and dtype == torch.float32 and library() is not None


class _Spans(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("prompts", "owns", "tokens")),
        *((name, ctypes.c_int64) for name in ("spans", "heads", "kv_heads", "head_dim")),
        ("scale", ctypes.c_float),
    )


class NativeBetween(Between):
    """`Between` in C, one pass over memory each. Attention keeps one number for each query, and no probabilities."""

    def prepare(self) -> None:
        found = library()
        assert found is not None
        self.library, shape, spans = found, self.shape, [span for span in self.packed.spans if len(span.own)]
        assert sum(len(span.own) for span in spans) == len(self.packed.token_ids_N), "every token is of some span"
        self._columns = (
            torch.tensor([len(span.prompt) for span in spans]),
            torch.tensor([len(span.own) for span in spans]),
            torch.cat([part for span in spans for part in span]),
        )
        sizes = (len(spans), shape.heads, shape.kv_heads, shape.head_dim)
        self._spans = _Spans(*(column.data_ptr() for column in self._columns), *sizes, shape.head_dim**-0.5)
        needed = self.library.groupthink_scratch_floats(*map(ctypes.c_int64, (self.packed.longest, shape.head_dim)))
        self._scratch = torch.empty(needed, dtype=torch.float32)

    def norm(self, x: Tensor) -> tuple[Tensor, Tensor]:
        normed, scale = torch.empty_like(x), x.new_empty(len(x), 1)
        self._call("rms", x, *x.shape, self.shape.epsilon, normed, scale)
        return normed, scale

    def norm_backward(self, by_normed: Tensor, normed: Tensor, scale: Tensor, more: Tensor) -> Tensor:
        by_x = torch.empty_like(by_normed)
        self._call("rms_backward", by_normed, normed, scale, more, *by_x.shape, by_x)
        return by_x

    def gate(self, both: Tensor) -> Tensor:
        hidden = both.new_empty(len(both), both.shape[1] // 2)
        self._call("gate", both, *hidden.shape, hidden)
        return hidden

    def gate_backward(self, by_hidden: Tensor, both: Tensor) -> tuple[Tensor, Tensor]:
        hidden, by_both = torch.empty_like(by_hidden), torch.empty_like(both)
        self._call("gate_backward", by_hidden, both, *by_hidden.shape, hidden, by_both)
        return hidden, by_both

    def rotate(self, qkv: Tensor, norms: Tensor | None) -> tuple[Tensor, ...]:
        N, heads, D = len(qkv), self.shape.rotated, self.shape.head_dim
        kept = () if norms is None else (qkv.new_empty(N, heads, D), qkv.new_empty(N, heads))
        self._call(
            *("rotate", qkv, N, qkv.shape[1], heads, D, norms, self.shape.epsilon, self.cosine, self.sine),
            *(kept or (None, None)),
        )
        return kept

    def rotate_backward(self, by_qkv: Tensor, norms: Tensor | None, kept: Sequence[Tensor]) -> Tensor | None:
        by_norms = None if norms is None else torch.zeros_like(norms)
        self._call(
            *("rotate_backward", by_qkv, *by_qkv.shape, self.shape.rotated, self.shape.head_dim, norms),
            *(self.cosine, self.sine, *(kept or (None, None)), by_norms),
        )
        return by_norms

    def attend(self, qkv: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        outputs = qkv.new_empty(len(qkv), self.shape.heads * self.shape.head_dim)
        log_sums = qkv.new_empty(len(qkv), self.shape.heads)
        self._call("attend", self._spans, qkv, outputs, log_sums, self._scratch)
        return outputs, [log_sums]

    def attend_backward(self, by_outputs: Tensor, qkv: Tensor, outputs: Tensor, kept: Sequence[Tensor]) -> Tensor:
        by_qkv = torch.zeros_like(qkv)
        self._call("attend_backward", self._spans, by_outputs, qkv, outputs, *kept, by_qkv, self._scratch)
        return by_qkv

    def _call(self, name: str, *words: Tensor | ctypes.Structure | int | float | None) -> None:
        getattr(self.library, f"groupthink_{name}")(*map(_argument, words))


def _argument(word: Tensor | ctypes.Structure | int | float | None):
    if isinstance(word, Tensor):
        assert word.is_contiguous() and word.dtype == torch.float32
        return ctypes.c_void_p(word.data_ptr())
    if isinstance(word, ctypes.Structure):
        return ctypes.byref(word)
    return ctypes.c_float(word) if isinstance(word, float) else ctypes.c_int64(word) if word is not None else None
