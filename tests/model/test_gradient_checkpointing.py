import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.model.lora import add_lora
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer
from groupthink.model.settings import LoraSettings
from tests.tiny import KINDS, tiny


def packed():
    draw = np.random.default_rng(0)
    return pack([draw.integers(2, 107, 40)], [draw.integers(2, 107, 30) for _ in range(4)], [0] * 4)


def learn(model):
    """The gradient of a packed forward pass, and the bytes of activations that it held for the backward pass."""
    held = {}
    parameters = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    model.zero_grad()
    scorer = TokenScorer(model, fast=False)
    with saved_tensors_hooks(note, lambda tensor: tensor):
        logprobs_M, _ = scorer(packed(), 0.7)
    logprobs_M.mean().backward()
    gradient = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad}
    return gradient, sum(held.values())


@pytest.mark.parametrize(("kind", "rank"), [*((kind, 0) for kind in KINDS), ("qwen3", 4)])
def test_the_gradient_is_the_same_and_a_layer_holds_its_input_alone(kind, rank):
    def make(checkpointed):
        model = tiny(kind, num_hidden_layers=6, layer_types=None).double()
        if rank:
            add_lora(model, LoraSettings(rank=rank), 0)
        if checkpointed:
            checkpoint_layers(model)
            checkpoint_layers(model)  # twice is once
        return model

    expected, whole = learn(make(False))
    found, less = learn(make(True))
    assert found.keys() == expected.keys() and len(found) > 12
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, rtol=1e-12, atol=1e-14, msg=name)
    # The hooks see what autograd keeps; that each layer's input is kept beside is seen by none.
    inputs = 6 * len(packed().token_ids_N) * 32 * 8
    assert less + inputs < whole / 4


def test_dropout_stays_off_and_passes_without_a_gradient_are_as_before():
    plain, model = (tiny("llama", attention_dropout=0.5) for _ in range(2))
    checkpoint_layers(model)
    assert torch.equal(TokenScorer(model)(packed(), 1.0)[0], TokenScorer(plain, fast=False)(packed(), 1.0)[0])
    assert not any(module.training for module in model.modules())
    ids = torch.arange(3, 9)[None]
    with torch.no_grad():
        cache = model(ids, use_cache=True).past_key_values
        assert cache.get_seq_length() == 6
        step = model(ids[:, :1], past_key_values=cache, use_cache=True).logits[0, 0]
        whole = plain(torch.cat([ids, ids[:, :1]], 1)).logits[0, -1]
    torch.testing.assert_close(step, whole, rtol=1e-4, atol=1e-4)


def test_a_model_without_marked_layers_is_refused():
    model = tiny("qwen3")
    del model.model.layers[:]
    with pytest.raises(ValueError, match=r"no layers that .* set policy\.micro_batch_tokens lower"):
        checkpoint_layers(model)
