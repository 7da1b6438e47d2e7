"""One attention function for engine and learner, registered with transformers as "groupthink".

Linear layers run on packed tokens, without padding; attention runs for each sequence. A sequence is a
prompt and one response: the prompt's keys and values are computed once for its group, and gathered
for every response of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

SLACK = 8
"""A bucket's shortest sequence is at least 1 - 1/SLACK of its longest: padding costs at most an eighth."""

UNKNOWN = ("sinks", "indices", "block_indices")
"""Arguments by which some architectures change what attention gives, and of which nothing is known here."""


@dataclass(frozen=True, eq=False, slots=True)
class Segments:
    """Which packed tokens attend to which: each sequence causally to itself.

    Two responses, [3] and [4, 5], to the prompt [0, 1, 2], by their places in the pack:
    Segments(rows=[[[0, 1, 2, 4, 5], [0, 1, 2, 3, 0]]], owners_N=[0, 1, 2, 8, 3, 4])
    """

    rows: tuple[Tensor, ...]  # int64 [n, T] for each length bucket: places of a sequence's tokens; 0 after its end
    owners_N: Tensor  # int64; where in the concatenated, flattened buckets a token finds its output

    def to(self, device: str | torch.device) -> "Segments":
        return Segments(tuple(rows.to(device) for rows in self.rows), self.owners_N.to(device))


def make_segments(sequences: Sequence[Tensor], tokens: int) -> Segments:
    """Length buckets for sequences (int64 places of their tokens); every one of the `tokens` occurs in some."""
    order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
    buckets: list[list[Tensor]] = []
    for i in order:
        sequence = sequences[i]
        if not buckets or len(sequence) * SLACK < len(buckets[-1][0]) * (SLACK - 1):
            buckets.append([])
        buckets[-1].append(sequence)
    rows = tuple(torch.nn.utils.rnn.pad_sequence(bucket, batch_first=True) for bucket in buckets)
    owners_N, start = torch.full((tokens,), -1), 0
    for bucket, padded in zip(buckets, rows, strict=True):
        for sequence in bucket:
            # A prompt is in every sequence of its group. Its outputs are the same in each; one is used.
            owners_N[sequence] = start + torch.arange(len(sequence))
            start += padded.shape[1]
    assert not tokens or owners_N.min() >= 0
    return Segments(rows, owners_N)


def attend(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    segments: Segments | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it: query [B, H, T, D], key and value [B, Hkv, T, D]; gives [B, T, H, D].

    `s_aux` [H]: sinks, a further score of each head that takes its share of the softmax and gives nothing (gpt-oss).

    With `segments` B is 1, T is the packed N, and the mask is not looked at. Without, as "sdpa" does, or "eager" where
    there is a cap or a sink. Raises ValueError for an argument that changes what attention gives and is not known.
    """
    _refuse(module, kwargs, UNKNOWN)
    if segments is None and softcap is None and s_aux is None:
        return sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout, scaling, sliding_window=sliding_window, **kwargs
        )
    _refuse(module, kwargs, ("position_bias",))  # which "sdpa" knows
    if segments is None:
        return _in_full(query, key, value, attention_mask, scaling, softcap, s_aux).transpose(1, 2), None
    assert query.shape[0] == 1 and not dropout, "packed tokens are one row, and attention has no dropout"
    places = torch.cat([rows.flatten() for rows in segments.rows])
    sizes = [rows.numel() for rows in segments.rows]
    # All buckets are taken at once: the gradient is then one sum, and not one for each bucket, all of full size.
    q, k, v = (_take(part.squeeze(0).transpose(0, 1), places).split(sizes) for part in (query, key, value))
    outputs = [
        _attend_bucket(*its, rows.shape, scaling, sliding_window, softcap, s_aux)
        for its, rows in zip(zip(q, k, v, strict=True), segments.rows, strict=True)
    ]
    return _take(torch.cat(outputs), segments.owners_N)[None], None


def _attend_bucket(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    shape: torch.Size,
    scaling: float | None,
    sliding_window: int | None,
    softcap: float | None,
    sinks_H: Tensor | None,
) -> Tensor:
    """The outputs [n * T, H, D] of a bucket of `shape` [n, T], whose queries, keys and values are [n * T, heads, D].

    Padding stands after a sequence's end, where causality hides it.
    """
    q, k, v = (part.unflatten(0, shape).transpose(1, 2) for part in (query, key, value))
    T = shape[1]
    mask = None
    if sliding_window is not None and sliding_window < T:
        place = torch.arange(T, device=query.device)
        ago = place[:, None] - place
        mask = (ago >= 0) & (ago < sliding_window)
    if softcap is not None or sinks_H is not None:
        output = _in_full(q, k, v, mask, scaling, softcap, sinks_H)
    else:
        output = scaled_dot_product_attention(
            q, k, v, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=q.shape[1] != k.shape[1]
        )
    return output.transpose(1, 2).flatten(0, 1)


def _in_full(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    softcap: float | None,
    sinks_H: Tensor | None,
) -> Tensor:
    """Attention [B, H, T, D] written out, for what SDPA does not know.

    Scores pass through softcap * tanh(score / softcap), as in Gemma 2; sinks are scores of a key whose value is zero.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    T, S = scores.shape[-2:]
    if mask is None:
        mask = torch.ones(T, S, dtype=torch.bool, device=scores.device).tril(S - T)
    # Not -inf: a row of left padding attends to nothing, and its NaN would spread.
    scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min) if mask.dtype == torch.bool else scores + mask
    if sinks_H is not None:
        scores = torch.cat([scores, sinks_H[:, None, None].expand(*scores.shape[:3], 1)], dim=-1)
    return scores.softmax(-1)[..., :S].to(value.dtype) @ value


def _refuse(module: torch.nn.Module, arguments: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if arguments.get(name) is not None:
            raise ValueError(
                f"{type(module).__name__} asks for attention with {name!r}, which groupthink's does not know: "
                "use another model, or teach it to attend"
            )


def _take(parts: Tensor, places: Tensor) -> Tensor:
    """Rows `places` of `parts` [N, H, D]; the gradient adds up where a row is taken more than once."""
    return parts.flatten(1).index_select(0, places).unflatten(1, parts.shape[1:])


def register_attention() -> None:
    """Make `attn_implementation="groupthink"` known to transformers."""
    AttentionInterface.register("groupthink", attend)
    # Packed tokens bring a mask of four dimensions, which transformers hands through, so none is built for
    # them; elsewhere "groupthink" is masked as "sdpa" is.
    AttentionMaskInterface.register("groupthink", sdpa_mask)


@contextmanager
def transformers_attention(model: PreTrainedModel) -> Iterator[None]:
    """Within it, `model` (which has groupthink's attention) attends as transformers has it written out for it."""
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation("groupthink")
