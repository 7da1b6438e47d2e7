"""Log-probabilities of tokens and their gradients, without ever holding the logits of all tokens.

The logits [M, V] are made chunk by chunk, in one buffer. Where the loss of a token depends on no token of another
chunk, its derivative is known as soon as the chunk is: the buffer is turned into the logits' gradient on the spot, and
nothing is made twice (`score_loss`). Any other function of the log-probabilities is left to autograd (`score`), for
which the chunks are made anew in the backward pass where there are several.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

CHUNK_BYTES = 2**28
"""Logits held at a time. However few its tokens are, a chunk reads the head's matrix twice, and reads and writes that
matrix's gradient. These bytes hold 441 tokens of a vocabulary of 151,936 in float32: their products take a processor
about twenty times as long as that traffic."""

BLOCK_BYTES = 2**25
"""Of these, as many as are worked on at a time where a second array is needed beside them."""

GPU_TIMES = 4
"""As many times these bytes on a GPU, where whatever is launched must be worth a launch."""

LossOf = Callable[[Tensor, Tensor, slice], Tensor]
"""(logprobs_m, entropies_m, where) -> the losses of the tokens `where`, summed; each depends on its own piece alone."""


@dataclass(frozen=True, slots=True)
class Finish:
    """What becomes of a head's output before the softmax: a soft cap, then a factor."""

    cap: float | None = None  # cap * tanh(logits / cap); Gemma 2, arXiv 2408.00118, section 2
    scale: float = 1.0

    def __call__(self, logits: Tensor) -> Tensor:
        if self.cap is not None:
            logits = self.cap * torch.tanh(logits / self.cap)
        return logits if self.scale == 1.0 else logits * self.scale

    def at(self, temperature: float) -> "Finish":
        """This, and then a division by `temperature`."""
        return Finish(self.cap, self.scale / temperature)


@dataclass(frozen=True, eq=False, slots=True)
class Head:
    """How a model makes logits of hidden states: Head(model.lm_head, 151936, Finish())"""

    module: nn.Module
    vocabulary: int
    finish: Finish


def score(hidden_MH: Tensor, targets_M: Tensor, head: Head, temperature: float) -> tuple[Tensor, Tensor]:
    """`logprobs_M` of the targets, and `entropies_M` of the laws that they are drawn from, in nats.

    Logits are divided by `temperature`. All is float32, or float64 where the hidden states are. Both columns carry
    the gradient; that of the entropies costs nothing where nobody asks for it.
    """
    if is_plain(head.module):
        finish = head.finish.at(temperature)
        return _Score.apply(hidden_MH, head.module.weight, head.module.bias, targets_M, finish)
    return _score_through_module(hidden_MH, targets_M, head, temperature)


def laws(hidden_MH: Tensor, head: Head, temperature: float) -> Tensor:
    """The logarithms of whole laws [M, V], in nats: for so few tokens that all of them may be held."""
    logits_MV = head.module(hidden_MH)
    return torch.log_softmax(head.finish.at(temperature)(logits_MV.to(_wide(logits_MV))), dim=-1)


def score_loss(
    hidden_MH: Tensor,
    targets_M: Tensor,
    head: Head,
    temperature: float,
    loss_of: LossOf,
    ends: Sequence[int] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of `loss_of` over chunks of the tokens, which carries the gradient, and `score`'s columns, which do not.

    `ends`: where pieces end whose tokens must be seen together, the last of them M; None: each token is a piece.

    The gradient with respect to hidden states and head is made here, and handed on by the loss's backward pass.
    (That something else inside `loss_of` should learn is not seen.) A piece whose logits are more than a chunk's is
    left to `score`, which is slower.
    """
    chunks = _chunks(hidden_MH, head.vocabulary, ends)
    if torch.is_grad_enabled() and is_plain(head.module) and chunks is not None:
        finish = head.finish.at(temperature)
        return _ScoreLoss.apply(hidden_MH, head.module.weight, head.module.bias, targets_M, finish, loss_of, chunks)
    logprobs_M, entropies_M = score(hidden_MH, targets_M, head, temperature)
    loss = loss_of(logprobs_M, entropies_M, slice(0, len(targets_M)))
    return loss, logprobs_M.detach(), entropies_M.detach()


def is_plain(module: nn.Module) -> TypeGuard[nn.Linear]:
    """Whether it is a matrix and perhaps a bias, and no more: not wrapped (LoRA), quantized or sharded."""
    return type(module) is nn.Linear and type(module.weight) is nn.Parameter


def _score_through_module(
    hidden_MH: Tensor, targets_M: Tensor, head: Head, temperature: float
) -> tuple[Tensor, Tensor]:
    """`score` by autograd alone, whatever the head may be."""
    finish = head.finish.at(temperature)

    def through(hidden_CH: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        logits_CV = head.module(hidden_CH)
        laws_CV = torch.log_softmax(finish(logits_CV.to(_wide(logits_CV))), dim=-1)
        return laws_CV.gather(1, targets_C[:, None])[:, 0], -(laws_CV.exp() * laws_CV).sum(-1)

    def again(hidden_CH: Tensor, targets_C: Tensor) -> tuple[Tensor, Tensor]:
        return checkpoint(through, hidden_CH, targets_C, use_reentrant=False)

    chunks = _even_chunks(hidden_MH, head.vocabulary)
    way = through if len(chunks) == 1 else again
    logprobs, entropies = zip(*(way(hidden_MH[where], targets_M[where]) for where in chunks), strict=True)
    return torch.cat(logprobs), torch.cat(entropies)


class _Score(Function):
    """`score` for a plain head."""

    @staticmethod
    def forward(
        ctx: Any, hidden_MH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, targets_M: Tensor, finish: Finish
    ) -> tuple[Tensor, Tensor]:
        found, kept_MV = [], None
        everywhere = _even_chunks(hidden_MH, len(weight_VH))
        for where, logits_CV, laws in _each_chunk(everywhere, hidden_MH, weight_VH, bias_V, targets_M, finish):
            found.append(laws)
            # The only chunk is kept: for a small vocabulary the backward pass makes nothing anew.
            kept_MV = logits_CV if where == slice(0, len(hidden_MH)) else None
        laws = _Laws.join(found)
        ctx.save_for_backward(hidden_MH, weight_VH, bias_V, targets_M, kept_MV, *laws)
        ctx.finish = finish
        ctx.set_materialize_grads(False)
        return laws.logprobs_M, laws.entropies_M

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_logprob_M: Tensor | None, by_entropy_M: Tensor | None) -> tuple[Tensor | None, ...]:
        hidden_MH, weight_VH, bias_V, targets_M, kept_MV, *columns = ctx.saved_tensors
        gradients = _Gradients(hidden_MH, weight_VH, bias_V, ctx.needs_input_grad)
        everywhere = _even_chunks(hidden_MH, len(weight_VH))
        chunks = _each_chunk(everywhere, hidden_MH, weight_VH, bias_V, targets_M, ctx.finish)
        if kept_MV is not None:
            chunks = [(slice(0, len(hidden_MH)), kept_MV.clone(), _Laws(*columns))]
        for where, logits_CV, laws in chunks:
            by_logprob_C = None if by_logprob_M is None else by_logprob_M[where]
            by_entropy_C = None if by_entropy_M is None else by_entropy_M[where]
            _differentiate(logits_CV, targets_M[where], laws, by_logprob_C, by_entropy_C, ctx.finish)
            gradients.add(where, logits_CV)
        return *gradients.result(), None, None


class _ScoreLoss(Function):
    """`score_loss` for a plain head."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden_MH: Tensor,
        weight_VH: Tensor,
        bias_V: Tensor | None,
        targets_M: Tensor,
        finish: Finish,
        loss_of: LossOf,
        chunks: Sequence[slice],
    ) -> tuple[Tensor, Tensor, Tensor]:
        gradients = _Gradients(hidden_MH, weight_VH, bias_V, ctx.needs_input_grad)
        found, losses = [], []
        for where, logits_CV, laws in _each_chunk(chunks, hidden_MH, weight_VH, bias_V, targets_M, finish):
            loss, by_logprob_C, by_entropy_C = _derive(loss_of, laws, where)
            _differentiate(logits_CV, targets_M[where], laws, by_logprob_C, by_entropy_C, finish)
            gradients.add(where, logits_CV)
            found.append(laws)
            losses.append(loss)
        laws = _Laws.join(found)
        ctx.save_for_backward(*gradients.result())
        ctx.mark_non_differentiable(laws.logprobs_M, laws.entropies_M)
        ctx.set_materialize_grads(False)
        return torch.stack(losses).sum(), laws.logprobs_M, laws.entropies_M

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, by_loss: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if by_loss is None:
            return (None,) * 7
        # In place, for they are large. Autograd sees it, and refuses a second backward pass.
        return *(None if part is None else part.mul_(by_loss) for part in ctx.saved_tensors), None, None, None, None


def _derive(loss_of: LossOf, laws: "_Laws", where: slice) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """The loss of a chunk, and its derivative with respect to each log-probability, and to each entropy."""
    with torch.enable_grad():
        logprobs_C, entropies_C = (column.detach().requires_grad_() for column in laws[:2])
        loss = loss_of(logprobs_C, entropies_C, where)
    if not loss.requires_grad:
        return loss, None, None
    by_logprob_C, by_entropy_C = torch.autograd.grad(loss, (logprobs_C, entropies_C), allow_unused=True)
    return loss.detach(), by_logprob_C, by_entropy_C


class _Laws(NamedTuple):
    """Columns over tokens. A token's law is exp(logits - log_sum)."""

    logprobs_M: Tensor
    entropies_M: Tensor
    log_sums_M: Tensor

    @classmethod
    def join(cls, parts: "Sequence[_Laws]") -> "_Laws":
        return cls(*map(torch.cat, zip(*parts, strict=True)))


def _each_chunk(
    chunks: Sequence[slice],
    hidden_MH: Tensor,
    weight_VH: Tensor,
    bias_V: Tensor | None,
    targets_M: Tensor,
    finish: Finish,
) -> Iterable[tuple[slice, Tensor, _Laws]]:
    """The logarithms of the laws of each chunk, in one buffer that the next chunk overwrites, and columns of them."""
    largest = max(where.stop - where.start for where in chunks)
    buffer_CV = hidden_MH.new_empty(largest, len(weight_VH), dtype=_wide(hidden_MH))
    scale = finish.scale if finish.cap is None else 1 / finish.cap
    for where in chunks:
        logits_CV, hidden_CH = buffer_CV[: where.stop - where.start], hidden_MH[where]
        if logits_CV.dtype != hidden_CH.dtype:
            for own in _vocabulary_blocks(weight_VH):
                torch.mul(_wide_product(hidden_CH, weight_VH[own].T), scale, out=logits_CV[:, own])
            if bias_V is not None:
                logits_CV.add_(bias_V, alpha=scale)
        elif bias_V is None:
            logits_CV.addmm_(hidden_CH, weight_VH.T, beta=0, alpha=scale)
        else:
            torch.addmm(bias_V, hidden_CH, weight_VH.T, beta=scale, alpha=scale, out=logits_CV)
        yield where, logits_CV, _find_laws(logits_CV, targets_M[where], finish)


def _find_laws(logits_CV: Tensor, targets_C: Tensor, finish: Finish) -> _Laws:
    """Put on the cap, where there is one, and turn the logits into the logarithms of the laws, in place."""
    if finish.cap is not None:
        logits_CV.tanh_().mul_(finish.cap * finish.scale)
    chosen_C = logits_CV.gather(1, targets_C[:, None])[:, 0]
    torch.log_softmax(logits_CV, dim=1, out=logits_CV)
    logprobs_C = logits_CV.gather(1, targets_C[:, None])[:, 0]
    entropies_C = torch.empty_like(logprobs_C)
    for rows in _blocks(logits_CV):
        entropies_C[rows] = -logits_CV[rows].exp().mul_(logits_CV[rows]).sum(1)
    return _Laws(logprobs_C, entropies_C, chosen_C - logprobs_C)


def _differentiate(
    log_laws_CV: Tensor,
    targets_C: Tensor,
    laws: _Laws,
    by_logprob_C: Tensor | None,
    by_entropy_C: Tensor | None,
    finish: Finish,
) -> None:
    """Turn the logarithms of laws, in place, into the derivatives of a loss with respect to the head's own output.

    With y the finished logits and t the target, d log p_t / d y_v = [v = t] - p_v and d H / d y_v = -p_v (log p_v + H);
    with k = scale * cap and y = k tanh(z / cap), d y / d z = scale (1 - (y / k)^2).
    """
    by_logprob_C = torch.zeros_like(laws.logprobs_M) if by_logprob_C is None else by_logprob_C * finish.scale
    by_entropy_C = None if by_entropy_C is None else by_entropy_C * finish.scale
    for rows in _blocks(log_laws_CV):
        x, by_logprob, slope = log_laws_CV[rows], by_logprob_C[rows, None], None
        if finish.cap is not None:
            slope = (x + laws.log_sums_M[rows, None]).div_(finish.scale * finish.cap).square_().neg_().add_(1)
        if by_entropy_C is None:
            x.exp_().mul_(-by_logprob)
        else:
            law = x.exp()
            x.add_(laws.entropies_M[rows, None]).mul_(by_entropy_C[rows, None]).add_(by_logprob).mul_(law).neg_()
        x.scatter_add_(1, targets_C[rows, None], by_logprob)
        if slope is not None:
            x.mul_(slope)


class _Gradients:
    """The gradients of hidden states, matrix and bias, of those that are `needed`, added up chunk by chunk.

    The head's are added up in float32, or in float64 where the hidden states are.
    """

    def __init__(self, hidden_MH: Tensor, weight_VH: Tensor, bias_V: Tensor | None, needed: Sequence[bool]):
        self._inputs, wide = (hidden_MH, weight_VH, bias_V), _wide(hidden_MH)
        self._hidden_MH = torch.zeros_like(hidden_MH) if needed[0] else None
        self._weight_VH = torch.zeros_like(weight_VH, dtype=wide) if needed[1] else None
        self._bias_V = torch.zeros_like(bias_V, dtype=wide) if bias_V is not None and needed[2] else None

    def add(self, where: slice, logits_CV: Tensor) -> None:
        """`logits_CV`: the gradient of the head's output for the tokens `where`."""
        hidden_MH, weight_VH, _ = self._inputs
        if self._hidden_MH is not None:
            torch.mm(logits_CV.to(weight_VH.dtype), weight_VH, out=self._hidden_MH[where])
        if self._weight_VH is not None and hidden_MH.dtype == logits_CV.dtype:
            self._weight_VH.addmm_(logits_CV.T, hidden_MH[where])
        elif self._weight_VH is not None:
            for own in _vocabulary_blocks(weight_VH):
                self._weight_VH[own] += _wide_product(logits_CV[:, own].T, hidden_MH[where])
        if self._bias_V is not None:
            self._bias_V += logits_CV.sum(0)

    def result(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """In the types of what they are the gradients of."""
        found = zip((self._hidden_MH, self._weight_VH, self._bias_V), self._inputs, strict=True)
        hidden, weight, bias = (None if own is None or of is None else own.to(of.dtype) for own, of in found)
        return hidden, weight, bias


def _chunks(hidden_MH: Tensor, vocabulary: int, ends: Sequence[int] | None) -> list[slice] | None:
    """The tokens in chunks that CHUNK_BYTES allow, cut at `ends` alone; None where a piece is longer than a chunk."""
    if ends is None:
        return _even_chunks(hidden_MH, vocabulary)
    most, cuts = _room(hidden_MH, vocabulary), [0]
    for start, end in pairwise([0, *ends]):
        if end - start > most:
            return None
        if end - cuts[-1] > most:
            cuts.append(start)
    return [slice(*cut) for cut in pairwise([*cuts, len(hidden_MH)])]


def _even_chunks(hidden_MH: Tensor, vocabulary: int) -> list[slice]:
    """The tokens in as few chunks as CHUNK_BYTES allow, the first the largest, by less than the number of chunks."""
    tokens = len(hidden_MH)
    size = math.ceil(tokens / math.ceil(tokens / _room(hidden_MH, vocabulary)))
    return [slice(start, min(start + size, tokens)) for start in range(0, tokens, size)]


def _room(hidden_MH: Tensor, vocabulary: int) -> int:
    """Tokens whose logits are held at a time."""
    return max(1, chunk_bytes(hidden_MH.device.type) // (vocabulary * _wide(hidden_MH).itemsize))


def chunk_bytes(device: str) -> int:
    """Bytes of logits that are held at a time on a device (cpu, cuda or mps)."""
    return CHUNK_BYTES * (GPU_TIMES if device == "cuda" else 1)


def block_bytes(device: str) -> int:
    """Bytes of these that are worked on at a time where a second array is needed beside them."""
    return BLOCK_BYTES * (GPU_TIMES if device == "cuda" else 1)


def _vocabulary_blocks(weight_VH: Tensor) -> list[slice]:
    """The head's rows, as many at a time as may be held once more in float32."""
    size = max(1, block_bytes(weight_VH.device.type) // (weight_VH.shape[1] * 4))
    return [slice(start, start + size) for start in range(0, len(weight_VH), size)]


def _wide_product(left: Tensor, right: Tensor) -> Tensor:
    """left @ right of what is half as wide, added up and given in float32: nothing is rounded to 8 bits on the way.

    A GPU multiplies the bits of `right`'s type, at that type's speed; a CPU has no faster products than float32's.
    """
    if left.is_cuda:
        return torch.mm(left.to(right.dtype), right, out_dtype=torch.float32)
    return left.float() @ right.float()


def _blocks(logits_CV: Tensor) -> list[slice]:
    rows, vocabulary = logits_CV.shape
    size = max(1, block_bytes(logits_CV.device.type) // (vocabulary * logits_CV.itemsize))
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _wide(tensor: Tensor) -> torch.dtype:
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
