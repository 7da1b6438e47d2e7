import pytest
import torch

from tests.tiny import KINDS, plain_logits, tiny


@pytest.mark.parametrize("kind", KINDS)
def test_without_segments_it_is_transformers_attention(kind):
    model = tiny(kind)
    ids = [5, 9, 33, 2, 70, 8, 41, 12, 99, 6, 7]
    with torch.inference_mode():
        ours = model(torch.tensor([ids]), use_cache=False).logits[0]
        torch.testing.assert_close(ours, plain_logits(model, ids), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_left_padding_changes_nothing(kind):
    model = tiny(kind)
    long, short = [5, 9, 33, 2, 70, 8, 41, 12, 99, 6, 7], [3, 4, 5]
    mask = torch.tensor([[1] * 11, [0] * 8 + [1] * 3])
    with torch.inference_mode():
        logits = model(
            torch.tensor([long, [0] * 8 + short]),
            attention_mask=mask,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
            use_cache=False,
        ).logits
        assert torch.isfinite(logits).all()
        torch.testing.assert_close(logits[0], plain_logits(model, long), atol=2e-5, rtol=1e-4)
        torch.testing.assert_close(logits[1, 8:], plain_logits(model, short), atol=2e-5, rtol=1e-4)
