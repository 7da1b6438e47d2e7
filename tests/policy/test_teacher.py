"""A learner whose reference is a teacher: another model, with KL to it as the whole objective."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from groupthink.policy.learner import Learner
from groupthink.policy.settings import PolicySettings
from groupthink.recipe import load_recipe
from groupthink.records import Batch
from tests.policy.conftest import VOCABULARY

OBJECTIVE = load_recipe(overrides=["stage=distill", "distill.teacher=nano"]).objective_of_stage
PROMPT = np.array([3, 7, 5])


def make_learner(student, teacher, **settings):
    settings = {"max_grad_norm": 1e9, "threads": 1, "processes": 1, "traced_groups": 1} | settings
    return Learner(student, teacher, PolicySettings(**settings), OBJECTIVE, total_steps=9, temperature=1.0)


def law_after(model, *token_ids) -> torch.Tensor:
    """log p [V] of the next token, by transformers' own forward pass."""
    ids = torch.tensor([[*PROMPT.tolist(), *token_ids]])
    return model(ids, use_cache=False).logits[0, -1].log_softmax(-1)


def all_sequences(model, length: int) -> Batch:
    """Every response of so many tokens, each weighing as often as the model would write it."""
    responses = np.array(list(product(range(VOCABULARY), repeat=length)))
    with torch.no_grad():
        first = law_after(model).numpy()
        laws = [np.tile(first, (len(responses), 1))]
        if length == 2:
            after = np.stack([law_after(model, token).numpy() for token in range(VOCABULARY)])
            laws.append(after[responses[:, 0]])
    logprobs = np.stack([law[np.arange(len(responses)), responses[:, t]] for t, law in enumerate(laws)], axis=1)
    weights = np.repeat(np.exp(logprobs.sum(axis=1)), length)
    tokens = responses.size
    return Batch(
        prompts=(PROMPT,),
        group_B=np.zeros(len(responses), np.int64),
        starts=np.arange(0, tokens + 1, length),
        token_ids_M=responses.ravel(),
        sampled_M=np.ones(tokens, bool),
        old_logprobs_M=logprobs.ravel(),
        drawn_logprobs_M=logprobs.ravel(),
        advantages_M=np.zeros(tokens, np.float32),
        weights_M=weights.astype(np.float32),
    )


def divergence(student, teacher, length: int) -> torch.Tensor:
    """The closed form: KL of the two laws at each place, summed over prefixes as the student writes them."""

    def between(*prefix) -> torch.Tensor:
        own, its = law_after(student, *prefix), law_after(teacher, *prefix).detach()
        return (own.exp() * (own - its)).sum()

    if length == 1:
        return between()
    chances = law_after(student).detach().exp()
    return between() + sum(chances[token] * between(token) for token in range(VOCABULARY))


@pytest.mark.parametrize("length", [1, 2])
def test_the_gradient_over_all_that_may_be_sampled_is_that_of_the_reverse_kl_of_the_laws(make_model, length):
    teacher = make_model(1, layers=3)
    learner, seen = make_learner(make_model(), teacher), {}
    plain = make_model(attention="eager", pad=None)  # whose row would have no gradient

    def look(*_):
        seen.update({name: parameter.grad.clone() for name, parameter in learner.parameters.items()})

    learner.optimizer.register_step_pre_hook(look)
    loss = learner.update(all_sequences(plain, length)).metrics["loss"]
    expected = divergence(plain, make_model(1, layers=3, attention="eager"), length)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-4)
    for name, parameter in plain.named_parameters():
        assert (seen[name] - parameter.grad).norm() < 1e-4 * parameter.grad.norm(), name


def test_a_student_that_writes_like_its_teacher_is_left_as_it_is(make_model, batch):
    learner = make_learner(make_model(), make_model())
    before = {name: tensor.clone() for name, tensor in learner.weights.tensors.items()}
    figures = learner.update(replace(batch, advantages_M=np.zeros_like(batch.advantages_M))).metrics
    assert figures["loss"] == figures["grad_norm"] == figures["kl"] == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in learner.weights.tensors.items())


def test_a_teacher_of_another_shape_and_precision_reads_in_every_process(make_model, batch):
    teacher, found = {"layers": 3, "dtype": torch.bfloat16}, []
    for processes in (1, 2):
        learner = make_learner(make_model(), make_model(1, **teacher), processes=processes)
        try:
            found.append(learner.reference_logprobs(batch))
        finally:
            learner.close()
    np.testing.assert_allclose(*found, atol=0.02)
    alone = make_model(1, **teacher, attention="eager")
    response = batch.token_ids_M[: batch.starts[1]]
    ids = torch.from_numpy(np.concatenate([batch.prompts[0], response]))[None]
    law = alone(ids, use_cache=False).logits[0, len(batch.prompts[0]) - 1 : -1].float().log_softmax(-1)
    expected = law.gather(1, torch.from_numpy(response)[:, None])[:, 0].detach().numpy()
    np.testing.assert_allclose(found[0][: len(response)], expected, atol=0.1)


def test_an_adapter_is_held_to_the_teacher_and_not_to_the_model_below_it(make_model, batch):
    pytest.importorskip("peft")
    from groupthink.model.lora import add_lora
    from groupthink.model.settings import LoraSettings

    student = make_model()
    add_lora(student, LoraSettings(rank=2), 0)
    with_adapter = make_learner(student, make_model(1, layers=3)).reference_logprobs(batch)
    np.testing.assert_array_equal(
        with_adapter, make_learner(make_model(), make_model(1, layers=3)).reference_logprobs(batch)
    )
