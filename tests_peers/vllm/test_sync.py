"""Stale weights are noticed, however little they differ, and by what the engine computes with."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.records import Weights
from groupthink.rollout.engine import Sampling
from groupthink.rollout.vllm.engine import VllmEngine
from tests_peers.vllm.steps import differences, draw, learn, make_learner

Pairs = Iterator[tuple[str, torch.Tensor]]


def held(model: PreTrainedModel, version: int) -> Weights:
    return Weights(version, model.state_dict())


@pytest.fixture(autouse=True)
def put_back(engine: VllmEngine, model: PreTrainedModel) -> Iterator[None]:
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    yield
    model.load_state_dict(state)
    engine.load(held(model, 0))


@pytest.mark.fault("F11")
def test_a_skipped_sync_is_caught_in_its_step_at_a_learning_rate_of_1e_6(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    learner = make_learner(model, learning_rate=1e-6)
    for step in range(2):
        engine.verify(learner.weights)
        groups = draw(engine, tokenizer, step, problems=4)
        learn(learner, groups, step)
        if step == 0:
            engine.load(learner.weights)
    # The second sync was left out. Neither the version nor the tensors are the learner's.
    with pytest.raises(RuntimeError, match=r"version 1, and the learner is at version 2: a sync was left out"):
        engine.verify(learner.weights)
    with pytest.raises(RuntimeError, match=r"of the 47 tensors that it decodes with are not the learner's"):
        engine.verify(Weights(1, learner.weights.tensors))
    engine.load(learner.weights)
    engine.verify(learner.weights)


def leave_out(*names: str) -> Callable[[Pairs], Pairs]:
    return lambda tensors: ((name, tensor) for name, tensor in tensors if name not in names)


@pytest.mark.parametrize(
    "spoil, stale",
    [
        (leave_out("lm_head.weight"), "lm_head.weight"),
        (leave_out("model.norm.weight"), "model.norm.weight"),
        (leave_out("model.layers.1.self_attn.q_norm.weight"), "model.layers.1.self_attn.q_norm.weight"),
        (leave_out("model.layers.3.mlp.down_proj.weight"), "model.layers.3.mlp.down_proj.weight"),
        (leave_out(*(f"model.layers.2.self_attn.{part}_proj.weight" for part in "qkv")), "layers.2.self_attn.k_proj"),
        (lambda tensors: ((n, t.roll(1, 0) if "up_proj" in n else t) for n, t in tensors), "layers.0.mlp.up_proj"),
    ],
    ids=["tied head", "last norm", "head norm", "matrix", "fused matrix", "part of a fused matrix"],
)
def test_a_tensor_that_does_not_arrive_is_named(
    spoil: Callable[[Pairs], Pairs],
    stale: str,
    engine: VllmEngine,
    model: PreTrainedModel,
    monkeypatch: pytest.MonkeyPatch,
):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1e-6
    load = engine.core.load
    monkeypatch.setattr(engine.core, "load", lambda tensors, version: load(spoil(tensors), version))
    with pytest.raises(RuntimeError, match=rf"of the 47 tensors.*{stale}"):
        engine.load(held(model, 1))


def test_weights_of_another_model_are_refused(engine: VllmEngine, model: PreTrainedModel):
    state = {name: tensor for name, tensor in model.state_dict().items() if "norm" not in name}
    with pytest.raises(ValueError, match=r"missing \['model.layers.0.input_layernorm.weight'"):
        engine.load(Weights(1, state))


def test_keys_and_values_of_older_weights_are_not_drawn_from(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    prompt_ids = np.tile(draw(engine, tokenizer, 0, problems=1)[0].prompt_ids, 6)  # some whole blocks
    group = draw(engine, tokenizer, 0, problems=1)[0]

    def ask() -> np.ndarray:
        responses = engine.submit(prompt_ids, Sampling(20, n=4), seed=1).result()
        return differences(model, [type(group)(group.problem, prompt_ids, responses)])

    assert np.abs(ask()).max() < 5e-5
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.05
    engine.load(held(model, 1))
    assert np.abs(ask()).max() < 5e-5


def test_a_response_goes_on_under_newer_weights_and_each_token_says_which(
    engine: VllmEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    group = draw(engine, tokenizer, 0, problems=1)[0]
    handle = engine.submit(group.prompt_ids, Sampling(30, n=6), seed=3)
    for _ in range(10):
        engine.advance()
    old = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.05
    engine.load(held(model, 5))
    responses = [each for each in handle.result() if len(each) > 10]
    assert responses
    for each in responses:
        assert each.versions_T.tolist() == [0] * 10 + [5] * (len(each) - 10)
    mixed = [type(group)(group.problem, group.prompt_ids, tuple(responses))]
    newer = np.concatenate([each.versions_T == 5 for each in responses])
    # Keys and values are made anew, so the later tokens' law is exactly the newer weights'.
    assert np.abs(differences(model, mixed)[newer]).max() < 5e-5
    model.load_state_dict(old)
    assert np.abs(differences(model, mixed)[~newer]).max() < 5e-5


def test_what_is_read_back_is_the_whole_model(engine: VllmEngine, model: PreTrainedModel):
    names: dict[str, Any] = dict(model.named_parameters(remove_duplicate=False))
    assert engine.core.decoded_with().keys() == names.keys()
