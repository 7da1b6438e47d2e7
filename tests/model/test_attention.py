import numpy as np
import pytest
import torch
from transformers import DynamicCache, GptOssConfig, GptOssForCausalLM

from groupthink.model.attention import attend, make_segments, register_attention
from groupthink.model.packing import pack
from groupthink.model.scoring import run_body
from tests.tiny import KINDS, SHAPE, plain_logits, tiny


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


def gpt_oss():
    """Its attention has sinks, and a window in every other layer."""
    register_attention()
    torch.manual_seed(0)
    rope = {"rope_type": "default", "rope_theta": 1e4}
    config = GptOssConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2, sliding_window=7, rope_parameters=rope)
    config._experts_implementation = "eager"  # the other one knows no float64
    model = GptOssForCausalLM(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    model.set_attn_implementation("groupthink")
    return model.eval()


def test_sinks_are_transformers_own_in_values_and_gradients(float64_throughout):
    model = gpt_oss().double()
    rng = np.random.default_rng(0)
    prompts, groups = [rng.integers(2, 107, n) for n in (6, 4)], (0, 0, 1)
    responses = [rng.integers(2, 107, n) for n in (5, 17, 8)]
    packed = pack(prompts, responses, groups)
    ours = run_body(model, packed)[packed.before_M]
    model.set_attn_implementation("eager")
    theirs = torch.cat(
        [
            model.base_model(torch.tensor([[*prompts[group], *response[:-1]]]), use_cache=False).last_hidden_state[
                0, len(prompts[group]) - 1 :
            ]
            for response, group in zip(responses, groups, strict=True)
        ]
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    weights = torch.linspace(-1, 1, ours.numel(), dtype=ours.dtype).view_as(ours)
    parameters = dict(model.base_model.named_parameters())
    found, expected = (
        torch.autograd.grad((weights * hidden).sum(), [*parameters.values()]) for hidden in (ours, theirs)
    )
    for name, own, other in zip(parameters, found, expected, strict=True):
        assert (own - other).norm() <= 1e-8 * other.norm(), name
    assert found[list(parameters).index("layers.1.self_attn.sinks")].norm() > 1e-3


def test_decoding_with_a_cache_and_left_padding_keeps_the_sinks():
    model = gpt_oss()
    long, short, after = [5, 9, 33, 2, 70, 8, 41, 12, 99, 6, 7], [3, 4, 5], [20, 30, 40]
    mask, cache = torch.tensor([[1] * 11, [0] * 8 + [1] * 3]), DynamicCache(config=model.config)
    ids = torch.tensor([long, [0] * 8 + short])
    with torch.inference_mode():
        for token in (*after, None):
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            logits = model(ids, attention_mask=mask, position_ids=positions, past_key_values=cache).logits[:, -1]
            ids, mask = torch.full((2, 1), token or 0), torch.nn.functional.pad(mask, (0, 1), value=1)
        for row, prompt in enumerate((long, short)):
            torch.testing.assert_close(logits[row], plain_logits(model, prompt + after)[-1], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["sinks", "indices", "block_indices", "position_bias"])
def test_what_would_be_dropped_is_refused_by_its_name(name, packed):
    query, key, value = torch.randn(3, 1, 4, 5, 8)
    segments = make_segments([torch.arange(5)], 5) if packed else None
    asked = (torch.nn.Linear(1, 1), query, key, value, None)
    expected, _ = attend(*asked, segments=segments)
    assert torch.equal(attend(*asked, segments=segments, **{name: None})[0], expected)
    if name == "position_bias" and not packed:  # it is handed on
        assert not torch.equal(attend(*asked, position_bias=torch.randn(1, 4, 5, 5))[0], expected)
        return
    with pytest.raises(ValueError, match=f"Linear asks for attention with '{name}'"):
        attend(*asked, segments=segments, **{name: torch.ones(1)})
