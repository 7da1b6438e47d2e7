import numpy as np
import pytest
import torch

from groupthink.model.blocks import attend, attend_backward, make_blocks
from groupthink.model.llama import Shape
from groupthink.model.packing import pack

SHAPE = Shape(heads=4, kv_heads=2, head_dim=6, epsilon=1e-6)
WIDTH = (4 + 2 * 2) * 6


def spans():
    """Two prompts of unequal lengths; a response of one token, which is never an input, among those that follow."""
    draw = np.random.default_rng(0)
    prompts, lengths = [draw.integers(0, 9, n) for n in (5, 3)], (9, 1, 8, 4, 2, 9)
    packed = pack(prompts, [draw.integers(0, 9, n) for n in lengths], [0, 0, 0, 1, 1, 1])
    return packed.spans, len(packed.token_ids_N)


def one_by_one(qkv):
    """Attention of every span by itself, head by head."""
    q, k, v = qkv.view(len(qkv), -1, 6).split((4, 2, 2), dim=1)
    output = torch.zeros(len(qkv), 4, 6, dtype=qkv.dtype)
    for prompt, own in spans()[0]:
        seen = torch.cat([prompt, own])
        for t, place in enumerate(own):
            keys = seen[: len(prompt) + t + 1]
            for head in range(4):
                law = torch.softmax(k[keys, head // 2] @ q[place, head] / 6**0.5, 0)
                output = output.index_put((place, torch.tensor(head)), law @ v[keys, head // 2])
    return output.view(len(qkv), -1)


def test_blocks_are_attention_of_each_span_and_its_gradient():
    its, tokens = spans()
    qkv, by_output = (torch.randn(tokens, width, dtype=torch.float64) for width in (WIDTH, 24))
    blocks = make_blocks(its, tokens, SHAPE, torch.float64)
    assert len(blocks.blocks) > 2
    output, laws = attend(qkv, blocks)
    expected = one_by_one(qkv.requires_grad_())
    torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
    (gradient,) = torch.autograd.grad(expected, qkv, by_output)
    found = attend_backward(by_output, qkv.detach(), laws, blocks)
    torch.testing.assert_close(found, gradient, rtol=1e-12, atol=1e-12)


def test_a_token_that_no_span_asks_for_is_not_passed_over():
    its, tokens = spans()
    with pytest.raises(AssertionError, match="every token"):
        make_blocks(its, tokens + 1, SHAPE, torch.float64)
