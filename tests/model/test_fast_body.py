import numpy as np
import pytest
import torch

from groupthink.model.fast_body import LONGEST, FastBody, agrees
from groupthink.model.gradient_checkpointing import checkpoint_layers
from groupthink.model.loading import load_model
from groupthink.model.lora import add_lora
from groupthink.model.native import NativeBetween
from groupthink.model.packing import pack
from groupthink.model.scoring import TokenScorer, run_body
from groupthink.model.settings import LoraSettings
from groupthink.model.threads import using_threads
from tests.tiny import tiny


def packed(longest=30):
    draw = np.random.default_rng(0)
    prompts, lengths = [draw.integers(2, 90, n) for n in (4, 9)], (1, longest, 2, 17)
    return pack(prompts, [draw.integers(2, 90, n) for n in lengths], [0, 0, 1, 1])


def values_and_gradients(body, model):
    hidden_NH = body(packed())
    weights_NH = torch.linspace(-1, 1, hidden_NH.numel(), dtype=hidden_NH.dtype).view_as(hidden_NH)
    parameters = dict(model.base_model.named_parameters())
    gradients = torch.autograd.grad((weights_NH * hidden_NH).sum(), list(parameters.values()))
    return {"hidden": hidden_NH.detach(), **dict(zip(parameters, gradients, strict=True))}


@pytest.mark.parametrize("rows", [7, 1024])
@pytest.mark.parametrize("kind", ["qwen3", "llama"])
def test_values_and_every_gradient_are_those_of_the_models_own_body(kind, rows, monkeypatch, float64_throughout):
    monkeypatch.setattr("groupthink.model.fast_body.ROWS", rows)
    model = tiny(kind).double()
    found = values_and_gradients(FastBody(model), model)
    for name, expected in values_and_gradients(lambda pack: run_body(model, pack), model).items():
        assert (found[name] - expected).norm() <= 1e-10 * expected.norm(), name


def test_nano_is_served_by_it():
    assert TokenScorer(load_model("nano")).fast is not None


def test_what_is_not_written_out_is_left_to_the_models_own_body():
    wrapped, adapted = tiny("llama"), tiny("qwen3")
    checkpoint_layers(wrapped)
    add_lora(adapted, LoraSettings(rank=2), 0)
    for model in (
        tiny("gemma3"),
        tiny("qwen3").to(torch.bfloat16),
        tiny("qwen3", attention_bias=True),
        wrapped,
        adapted,
    ):
        assert not FastBody.knows(model) and TokenScorer(model).fast is None


def test_a_model_that_is_wrapped_later_is_left_to_its_own_body():
    model = tiny("qwen3")
    scorer = TokenScorer(model)
    assert scorer.fast.takes(packed())
    checkpoint_layers(model)
    assert not scorer.fast.takes(packed())


@pytest.mark.parametrize("part", ["values", "gradient"])
def test_a_model_that_computes_something_else_is_found_out(part):
    model = TokenScorer(tiny("qwen3")).model  # in which the pad token's row learns
    assert agrees(FastBody(model), model, run_body)

    def other(model, packed):
        hidden_NH = run_body(model, packed)
        return hidden_NH * 1.01 if part == "values" else hidden_NH.detach() + 1.01 * (hidden_NH - hidden_NH.detach())

    assert not agrees(FastBody(model), model, other)


def test_long_sequences_whose_square_would_be_held_are_left_to_the_models_own_body():
    fast = FastBody(tiny("qwen3", max_position_embeddings=1024))
    with using_threads(2):
        assert fast.takes(packed(LONGEST - 3)) and not fast.takes(packed(LONGEST - 2))


def test_one_thread_computes_in_c_which_holds_no_square():
    fast = FastBody(load_model("nano"))
    if NativeBetween not in fast.ways:
        pytest.skip("native.c was not compiled here, or this processor cannot run it")
    with using_threads(1):
        assert fast.takes(packed(LONGEST + 100))


def test_all_ways_make_the_same_gradients():
    model = load_model("nano")
    fast = FastBody(model)
    plain, *others = (values_and_gradients(lambda pack, way=way: fast(pack, way), model) for way in fast.ways)
    for found in others:
        for name, expected in plain.items():
            assert (found[name] - expected).norm() <= 1e-5 * expected.norm(), name


def test_a_frozen_model_is_compared_by_its_values():
    model = tiny("llama").requires_grad_(False)
    assert agrees(FastBody(model), model, run_body)
