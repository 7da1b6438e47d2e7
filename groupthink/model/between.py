"""What stands between the matrix products of a layer, each with its gradient by hand: by torch's operations.

`native.py` has the same in C.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from groupthink.model.blocks import attend, attend_backward, make_blocks
from groupthink.model.llama import Shape, inverse_rms
from groupthink.model.packing import Packed


class Between:
    """The parts of a layer for one pack of N tokens, with `cosine` and `sine` [N, D / 2] of their positions."""

    def __init__(self, packed: Packed, shape: Shape, cosine: Tensor, sine: Tensor):
        self.packed, self.shape, self.cosine, self.sine = packed, shape, cosine, sine
        self.prepare()

    def prepare(self) -> None:
        """What attention needs to know of the pack."""
        packed = self.packed
        self.blocks = make_blocks(packed.spans, len(packed.token_ids_N), self.shape, self.cosine.dtype)

    def norm(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [M, C] over its root mean square, and the `scale` [M, 1] that it was multiplied by."""
        scale = inverse_rms(x, self.shape.epsilon)
        return x * scale, scale

    def norm_backward(self, by_normed: Tensor, normed: Tensor, scale: Tensor, more: Tensor) -> Tensor:
        """The gradient of x, and `more`."""
        return _norm_backward(by_normed, normed, scale) + more

    def gate(self, both: Tensor) -> Tensor:
        """silu(gates) * ups [M, I], where a row of `both` [M, 2 I] is its gates, then its ups."""
        gates, ups = both.chunk(2, dim=1)
        return (gates * torch.sigmoid(gates)).mul_(ups)

    def gate_backward(self, by_hidden: Tensor, both: Tensor) -> tuple[Tensor, Tensor]:
        """What `gate` gave, once more, and the gradient [M, 2 I] of `both`."""
        gates, ups = both.chunk(2, dim=1)
        opened = torch.sigmoid(gates)
        activated = gates * opened
        # With s the sigmoid of g: (g s)' = s + g s (1 - s).
        slope = torch.addcmul(opened, activated, 1 - opened)
        return activated * ups, torch.cat([by_hidden * ups * slope, by_hidden * activated], dim=1)

    def rotate(self, qkv: Tensor, norms: Tensor | None) -> tuple[Tensor, ...]:
        """Norm, where there are `norms` [H + Hkv, D], and rotate the queries and keys of `qkv`, in place.

        Gives what the backward pass asks for.
        """
        qk = self._rotated_part(qkv)
        if norms is None:
            qk.copy_(self._turn(qk, self.sine))
            return ()
        scale = inverse_rms(qk, self.shape.epsilon)
        normed = qk * scale
        qk.copy_(self._turn(normed * norms, self.sine))
        return normed, scale

    def rotate_backward(self, by_qkv: Tensor, norms: Tensor | None, kept: Sequence[Tensor]) -> Tensor | None:
        """Turn `by_qkv` in place into the gradient of what `rotate` was given; gives that of the norms."""
        by_qk = self._rotated_part(by_qkv)
        by_turned = self._turn(by_qk, -self.sine)
        if norms is None:
            by_qk.copy_(by_turned)
            return None
        normed, scale = kept
        by_qk.copy_(_norm_backward(by_turned * norms, normed, scale))
        return (by_turned * normed).sum(0)

    def attend(self, qkv: Tensor) -> tuple[Tensor, Sequence[Tensor]]:
        """The outputs [N, H * D] of attention within the sequences, and what the backward pass asks for."""
        return attend(qkv, self.blocks)

    def attend_backward(self, by_outputs: Tensor, qkv: Tensor, outputs: Tensor, kept: Sequence[Tensor]) -> Tensor:
        """The gradient of `qkv`."""
        return attend_backward(by_outputs, qkv, kept, self.blocks)

    def _rotated_part(self, qkv: Tensor) -> Tensor:
        """[N, H + Hkv, D]"""
        heads, head_dim = self.shape.rotated, self.shape.head_dim
        return qkv[:, : heads * head_dim].unflatten(1, (heads, head_dim))

    def _turn(self, x: Tensor, sine: Tensor) -> Tensor:
        (a, b), cosine, sine = x.chunk(2, dim=-1), self.cosine[:, None], sine[:, None]
        return torch.cat([a * cosine - b * sine, b * cosine + a * sine], dim=-1)


def _norm_backward(by_normed: Tensor, normed: Tensor, scale: Tensor) -> Tensor:
    """The gradient of x, where normed = x * scale and scale = inverse_rms(x)."""
    along = torch.linalg.vecdot(by_normed, normed).div_(normed.shape[-1]).unsqueeze(-1)
    return torch.addcmul(by_normed, normed, along, value=-1).mul_(scale)
