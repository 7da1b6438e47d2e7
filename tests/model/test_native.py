"""What C computes in float32 is what torch's operations compute in float64, to within rounding."""

import numpy as np
import pytest
import torch

from groupthink.model.between import Between
from groupthink.model.llama import Shape
from groupthink.model.native import NativeBetween, can_compute, library
from groupthink.model.packing import pack

SHAPES = [
    Shape(heads=4, kv_heads=2, head_dim=32, epsilon=1e-6),
    Shape(heads=3, kv_heads=3, head_dim=16, epsilon=1e-5),
    Shape(heads=6, kv_heads=2, head_dim=64, epsilon=1e-6),
]


def a_pack():
    """Lengths around those of a tile and of a block of queries; a response of one token, which is never an input."""
    draw = np.random.default_rng(0)
    prompts, lengths = [draw.integers(0, 9, n) for n in (5, 1, 61)], (1, 2, 7, 13, 50, 98, 3, 130, 17)
    return pack(prompts, [draw.integers(0, 9, n) for n in lengths], [0, 0, 0, 1, 1, 1, 2, 2, 2])


def both_ways(shape):
    packed = a_pack()
    angles = torch.randn(len(packed.token_ids_N), shape.head_dim // 2, dtype=torch.float64)
    cosine, sine = angles.cos(), angles.sin()
    return NativeBetween(packed, shape, cosine.float(), sine.float()), Between(packed, shape, cosine, sine)


def drawn(*sizes):
    """The same numbers twice: those that float32 can hold, and as float64."""
    numbers = torch.randn(*sizes)
    return numbers, numbers.double()


def assert_close(found, expected):
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double().view(expected.shape), expected, rtol=1e-5, atol=1e-5)


@pytest.fixture(autouse=True)
def compiled():
    if library() is None:
        pytest.skip("native.c was not compiled here, or this processor cannot run it")
    torch.manual_seed(0)


def test_norms():
    native, plain = both_ways(SHAPES[0])
    (x, x64), (by, by64), (more, more64) = drawn(9, 24), drawn(9, 24), drawn(9, 24)
    (normed, scale), (normed64, scale64) = native.norm(x), plain.norm(x64)
    assert_close(normed, normed64)
    assert_close(scale, scale64)
    assert_close(native.norm_backward(by, normed, scale, more), plain.norm_backward(by64, normed64, scale64, more64))


@pytest.mark.parametrize("spread", [1.0, 100.0])
def test_the_gate(spread):
    native, plain = both_ways(SHAPES[0])
    (both, _), (by, by64) = drawn(7, 48), drawn(7, 24)
    both[:, :24] *= spread  # a hundred: where the exponential would overflow
    both64 = both.double()
    torch.testing.assert_close(native.gate(both).double(), plain.gate(both64), rtol=1e-5, atol=1e-5)
    for found, expected in zip(native.gate_backward(by, both), plain.gate_backward(by64, both64), strict=True):
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_rotations(shape, normed):
    native, plain = both_ways(shape)
    tokens, width = len(native.packed.token_ids_N), (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    (qkv, qkv64), (by, by64) = drawn(tokens, width), drawn(tokens, width)
    norms, norms64 = drawn(shape.rotated, shape.head_dim) if normed else (None, None)
    kept, kept64 = native.rotate(qkv, norms), plain.rotate(qkv64, norms64)
    assert_close(qkv, qkv64)
    by_norms, by_norms64 = native.rotate_backward(by, norms, kept), plain.rotate_backward(by64, norms64, kept64)
    torch.testing.assert_close(by.double(), by64, rtol=1e-4, atol=1e-5)
    if normed:
        torch.testing.assert_close(by_norms.double(), by_norms64, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_attention(shape):
    native, plain = both_ways(shape)
    tokens, width = len(native.packed.token_ids_N), (shape.heads + 2 * shape.kv_heads) * shape.head_dim
    (qkv, qkv64), (by, by64) = drawn(tokens, width), drawn(tokens, shape.heads * shape.head_dim)
    (outputs, kept), (outputs64, kept64) = native.attend(qkv), plain.attend(qkv64)
    assert_close(outputs, outputs64)
    found = native.attend_backward(by, qkv, outputs, kept)
    torch.testing.assert_close(
        found.double(), plain.attend_backward(by64, qkv64, outputs64, kept64), rtol=1e-4, atol=1e-4
    )


def test_scores_far_apart_do_not_overflow():
    native, plain = both_ways(SHAPES[0])
    qkv, _ = drawn(len(native.packed.token_ids_N), 256)
    qkv[:, :192] *= 30
    outputs, kept = native.attend(qkv)
    torch.testing.assert_close(outputs.double(), plain.attend(qkv.double())[0], rtol=1e-3, atol=1e-3)
    assert native.attend_backward(torch.ones_like(outputs), qkv, outputs, kept).isfinite().all()


def test_a_token_that_no_span_asks_for_is_not_passed_over():
    packed = a_pack()
    less = type(packed)(packed.token_ids_N, packed.position_ids_N, packed.before_M, packed.targets_M, packed.spans[:-1])
    with pytest.raises(AssertionError, match="every token"):
        NativeBetween(less, SHAPES[0], torch.empty(0), torch.empty(0))


def test_what_it_is_not_written_for():
    shape = SHAPES[0]
    assert can_compute(shape, 128, 384, torch.float32)
    assert not can_compute(shape, 128, 384, torch.float64)
    assert not can_compute(shape, 129, 384, torch.float32)
    assert not can_compute(shape._replace(head_dim=24), 128, 384, torch.float32)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_not_finite_is_not_hidden(bad):
    native, _ = both_ways(SHAPES[0])
    qkv = torch.randn(len(native.packed.token_ids_N), 256)
    qkv[6] = bad  # the first token of the longest prompt, which all of it sees
    outputs, kept = native.attend(qkv)
    assert not outputs[6:67].isfinite().all(dim=1).any()
    assert not native.attend_backward(torch.ones_like(outputs), qkv, outputs, kept).isfinite().all()
    assert not native.gate(torch.full((1, 16), bad) * torch.tensor([1.0, -1.0] * 8)).isfinite().all()
