import sys

import numpy as np
import pytest
import torch
from peft import PeftModel

from groupthink.model.loading import load_model
from groupthink.model.lora import (
    adapter_off,
    add_lora,
    has_lora,
    load_adapter,
    merged_tensors,
    save_adapter,
    save_merged,
)
from groupthink.model.packing import pack
from groupthink.model.quantised import load_quantised
from groupthink.model.scoring import TokenScorer
from groupthink.model.settings import LoraSettings
from tests.tiny import tiny

KINDS = ("qwen3", "llama", "gemma2")
SETTINGS = LoraSettings(rank=4)


def packed():
    draw = np.random.default_rng(0)
    return pack([draw.integers(2, 107, 6)], [draw.integers(2, 107, n) for n in (3, 9)], [0, 0])


def logprobs(model):
    return TokenScorer(model, fast=False)(packed(), 0.7)[0]


def adapted(kind, settings=SETTINGS, seed=1, dtype=torch.float32, **changes):
    """A model whose additions have been moved off zero."""
    model = tiny(kind, **changes).to(dtype)
    add_lora(model, settings, seed)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.copy_(torch.empty(parameter.shape).normal_(std=0.01, generator=draw))
    return model


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_it_begins_as_the_model_itself_and_is_it_again_while_the_adapter_is_off(kind, dtype):
    base = tiny(kind).to(dtype)
    with torch.no_grad():
        expected = logprobs(base)
        fresh = tiny(kind).to(dtype)
        add_lora(fresh, SETTINGS, seed=1)
        assert type(fresh) is type(base) and not any(module.training for module in fresh.modules())
        assert torch.equal(logprobs(fresh), expected)
        assert_equal(merged_tensors(fresh), base.state_dict())

        moved = adapted(kind, dtype=dtype)
        before = logprobs(moved)
        assert (before - expected).abs().max() > 1e-2
        with adapter_off(moved), adapter_off(moved):
            assert torch.equal(logprobs(moved), expected)
        assert torch.equal(logprobs(moved), before)
    assert all(parameter.requires_grad == ("lora_" in name) for name, parameter in moved.named_parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_merged_it_is_a_plain_model_of_the_same_law(kind):
    model, plain = adapted(kind), tiny(kind, seed=9)
    merged = merged_tensors(model)
    assert merged.keys() == plain.state_dict().keys()
    plain.load_state_dict(merged)
    with torch.no_grad():
        torch.testing.assert_close(logprobs(plain), logprobs(model), rtol=1e-4, atol=1e-4)
    layer = model.model.layers[1].mlp.down_proj
    A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    by_hand = layer.base_layer.weight + (32 / 4) * B @ A
    torch.testing.assert_close(merged["model.layers.1.mlp.down_proj.weight"], by_hand)
    name = "model.norm.weight"
    assert merged[name].data_ptr() == dict(model.named_parameters())[name].data_ptr(), "copied without need"


def test_in_a_bfloat16_model_additions_are_float32_and_the_merged_weights_are_rounded_once():
    model = adapted("qwen3", dtype=torch.bfloat16)
    layer = model.model.layers[0].self_attn.q_proj
    A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert A.dtype == B.dtype == torch.float32
    merged = merged_tensors(model)["model.layers.0.self_attn.q_proj.weight"]
    assert torch.equal(merged, (layer.base_layer.weight.double() + 8 * B.double() @ A.double()).bfloat16())


def test_the_seed_alone_decides_what_is_drawn():
    def drawn(seed, before):
        torch.manual_seed(before)
        model = tiny("qwen3")
        state = torch.get_rng_state()
        add_lora(model, SETTINGS, seed)
        assert torch.equal(torch.get_rng_state(), state), "the global random state was touched"
        return {name: parameter for name, parameter in model.named_parameters() if "lora_A" in name}

    one = drawn(1, before=3)
    assert_equal(drawn(1, before=4), one)
    other = drawn(2, before=3)
    for name, tensor in one.items():
        bound = tensor.shape[1] ** -0.5
        assert not torch.equal(tensor, other[name])
        assert 0.8 * bound < tensor.abs().max() <= bound, name


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_is_the_projection_of_the_merged_models(kind):
    """For W' = W + s B A, the gradient of B is s dL/dW' A^T, and that of A is s B^T dL/dW'."""
    model, plain = adapted(kind, dtype=torch.float64), tiny(kind).double()
    plain.load_state_dict(merged_tensors(model))
    for one in (model, plain):
        logprobs(one).mean().backward()
    whole = dict(plain.named_parameters())["model.layers.0.self_attn.v_proj.weight"].grad
    layer = model.model.layers[0].self_attn.v_proj
    A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    # transformers' norms and rotations are float32 in a float64 model, too
    torch.testing.assert_close(B.grad, 8 * whole @ A.T, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(A.grad, 8 * B.T @ whole, rtol=1e-4, atol=1e-6)
    assert all((parameter.grad is None) == (not parameter.requires_grad) for parameter in model.parameters())


def test_a_head_of_its_own_may_be_a_target_and_a_tied_one_may_not():
    settings = LoraSettings(rank=2, targets=("lm_head", "q_proj"))
    model, plain = adapted("llama", settings), tiny("llama")
    plain.load_state_dict(merged_tensors(model))
    assert not torch.equal(plain.lm_head.weight, tiny("llama").lm_head.weight)
    with torch.no_grad():
        torch.testing.assert_close(logprobs(plain), logprobs(model), rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match=r"lora\.targets names the head .* shares its matrix"):
        add_lora(tiny("qwen3"), settings, 0)


def test_targets_name_the_layers_that_learn():
    def learning(*targets):
        model = tiny("llama")
        add_lora(model, LoraSettings(rank=1, targets=targets), 0)
        return {name.split(".lora_")[0] for name, parameter in model.named_parameters() if parameter.requires_grad}

    assert len(learning("all-linear")) == 2 * 7
    assert learning("1.mlp.up_proj", "k_proj") == {
        "model.layers.0.self_attn.k_proj",
        "model.layers.1.self_attn.k_proj",
        "model.layers.1.mlp.up_proj",
    }
    for wrong in ("q_porj", "proj", "norm", "embed_tokens"):
        with pytest.raises(ValueError, match=rf"lora\.targets names '{wrong}'.* did you mean "):
            learning(wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_adapter_is_pefts_and_comes_back_bit_for_bit(kind, tmp_path):
    model = adapted(kind)
    save_adapter(model, tmp_path / "adapter")
    theirs = PeftModel.from_pretrained(tiny(kind), tmp_path / "adapter")
    ids = packed().token_ids_N[None]
    with torch.no_grad():
        assert torch.equal(theirs(ids).logits, model(ids).logits)

    again = tiny(kind)
    add_lora(again, SETTINGS, seed=7)
    held = {name: parameter.data_ptr() for name, parameter in again.named_parameters()}
    load_adapter(again, tmp_path / "adapter")
    assert_equal(dict(again.named_parameters()), dict(model.named_parameters()))
    assert held == {name: parameter.data_ptr() for name, parameter in again.named_parameters()}
    save_adapter(again, tmp_path / "again")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "adapter" / name).read_bytes()


@pytest.mark.parametrize(
    ("kind", "settings", "says"),
    [
        ("qwen3", LoraSettings(rank=2), "lora.rank=4"),
        ("qwen3", LoraSettings(rank=4, alpha=8), "lora.alpha=32"),
        ("qwen3", LoraSettings(rank=4, targets=("q_proj",)), "another model"),
    ],
)
def test_another_adapter_is_refused(kind, settings, says, tmp_path):
    save_adapter(adapted("qwen3"), tmp_path)
    with pytest.raises(ValueError, match=says):
        load_adapter(adapted(kind, settings), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_merged_model_is_saved_like_any_other(kind, dtype, tmp_path):
    model = adapted(kind, dtype=dtype)
    save_merged(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    loaded = load_model(tmp_path, dtype=dtype)
    assert type(loaded) is type(model) and loaded.config.dtype == dtype
    assert_equal(loaded.state_dict(), merged_tensors(model))


def test_without_an_adapter_the_merged_tensors_are_the_models_own():
    model = tiny("qwen3")
    assert not has_lora(model)
    assert {name: tensor.data_ptr() for name, tensor in merged_tensors(model).items()} == {
        name: tensor.data_ptr() for name, tensor in model.state_dict().items()
    }


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"rank": -1}, "lora.rank is -1"),
        ({"rank": 8, "alpha": 0}, "lora.alpha is 0"),
        ({"rank": 8, "targets": ()}, "lora.targets is empty"),
        ({"quantised": True}, "lora.quantised is true and lora.rank is 0"),
    ],
)
def test_a_wrong_setting_is_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        LoraSettings(**wrong)


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match=r"lora\.rank=4 needs the package peft.*pip install 'groupthink\[lora\]'"):
        add_lora(tiny("qwen3"), SETTINGS, 0)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match=r"lora\.quantised=true needs .*pip install 'groupthink\[lora,8bit\]'"):
        load_quantised("nano")


def test_on_weights_of_four_bits_it_merges_into_a_model_of_the_same_law(tmp_path):
    pytest.importorskip("bitsandbytes")
    model, plain = load_quantised("nano", dtype=torch.float32), load_model("nano")
    ids = torch.randint(3, 60, (1, 12), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        quantised = model(ids).logits
    assert not torch.equal(quantised, plain(ids).logits)
    add_lora(model, LoraSettings(rank=4, targets=("q_proj",), quantised=True), 0)
    with torch.no_grad():
        model.model.layers[0].self_attn.q_proj.lora_B["default"].weight.normal_(
            std=0.05, generator=torch.Generator().manual_seed(1)
        )
        with adapter_off(model):
            assert torch.equal(model(ids).logits, quantised)
        save_merged(model, tmp_path)
        loaded = load_model(tmp_path)
        assert loaded.state_dict().keys() == plain.state_dict().keys()
        assert (model(ids).logits - quantised).abs().max() > 0.1
        torch.testing.assert_close(loaded(ids).logits, model(ids).logits, rtol=1e-4, atol=1e-4)
    model(ids).logits.logsumexp(-1).sum().backward()
    assert model.model.layers[0].self_attn.q_proj.lora_A["default"].weight.grad.norm() > 0
