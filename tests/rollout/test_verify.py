"""When two decoders count as one function."""

import pytest
import torch

from groupthink.model.loading import load_model
from groupthink.model.place import resolve
from groupthink.rollout.fast import FastDecoder
from groupthink.rollout.plain import PlainDecoder
from groupthink.rollout.verify import agrees, differ


@pytest.fixture(scope="module")
def nano():
    return load_model(resolve("nano"), dtype=torch.bfloat16)


class WithoutNormWeights(FastDecoder):
    def _around(self):
        embedding, head, norm = super()._around()
        return embedding, head, torch.ones_like(norm)


class WithSofterAttention(FastDecoder):
    def __init__(self, model):
        super().__init__(model)
        self.scaling *= 0.9


def test_in_bf16_a_trained_model_agrees_with_itself_in_another_order(nano):
    assert agrees(PlainDecoder(nano), nano)
    assert agrees(FastDecoder(nano), nano)


@pytest.mark.parametrize("wrong", [WithoutNormWeights, WithSofterAttention])
def test_in_bf16_a_slightly_wrong_function_does_not(nano, wrong):
    assert not agrees(wrong(nano), nano)


def test_laws_differ_by_their_tokens_weighed_and_in_float32_by_the_worst_of_them():
    theirs = torch.tensor([0.5, 0.5, 0.0]).log()
    ours = torch.tensor([0.6, 0.4, 0.0]).log()
    mean = 0.5 * (torch.tensor([1.2, 0.8]).log().abs().sum()).item()
    assert differ([(ours, theirs)] * 3, exact=False) == pytest.approx(mean)
    unlikely = torch.tensor([0.0, 0.0, -30.0]), torch.tensor([0.0, 0.0, -31.0])
    assert differ([unlikely], exact=True) == 1.0
    wrong = torch.tensor([-30.0, -30.0, 0.0])
    assert differ([(theirs, theirs)] * 5 + [(wrong, theirs)], exact=False) > 1  # one wrong law is enough


def test_nan_agrees_with_nothing():
    law = torch.zeros(3)
    for exact in (True, False):
        assert not differ([(law, law), (law * torch.nan, law)], exact=exact) <= 1e9
