"""The gradient of an update does not depend on how a batch is cut, packed or ordered, whatever the objective."""

import dataclasses

import numpy as np
import pytest
import torch

from groupthink.advantage import whiten_tokens
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.kl import kl_to_go
from groupthink.policy.objective.loss import token_losses
from groupthink.policy.objective.rows import ROWS
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.objective.tokens import Tokens
from groupthink.policy.settings import PolicySettings
from tests.policy.objective.worked import reduced
from tests.policy.test_learner import TEMPERATURE, assert_close, gradients_of, plain_logprobs

MAX_TOKENS, VOCABULARY = 12, 24


OBJECTIVES = [ObjectiveSettings.of_row(name) for name in ROWS if name != "bnpo"] + [
    ObjectiveSettings.of_row("grpo", kl=0.1, kl_estimator="k3_unbiased", entropy_bonus=0.01),
    ObjectiveSettings.of_row("dapo", correction="truncate_token", correction_high=1.1, kl=0.1, kl_estimator="k2"),
    ObjectiveSettings.of_row("gspo", correction="mask_sequence", clip_low=0.2, clip_high=0.2),
    ObjectiveSettings.of_row("dapo", focus="top_entropy", dual_clip=3.0, ceiling=4.0),
    ObjectiveSettings.of_row("dapo", focus="kl_cov", focus_share=0.1),
    ObjectiveSettings.of_row("cispo", focus="clip_cov", focus_share=0.1, focus_low=0.0, stale_negatives=0.1),
]


def gradient(make_model, batch, objective, **settings) -> dict[str, torch.Tensor]:
    reference = make_model(1, dtype=torch.float64) if objective.kl else None
    learner = Learner(
        make_model(0, dtype=torch.float64),
        reference,
        PolicySettings(max_grad_norm=1e9, threads=1, **settings),
        objective,
        total_steps=10,
        temperature=TEMPERATURE,
    )
    [found] = gradients_of(learner, batch)
    return found


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda it: f"{it.name}-{it.correction}-{it.focus}")
def test_the_gradient_does_not_depend_on_the_cut_or_the_order(
    make_model, make_groups, objective, float64_throughout, monkeypatch
):
    draw = np.random.default_rng(3)
    advantages_PG = draw.normal(size=(3, 4))
    groups = make_groups()
    batch = assemble(groups, advantages_PG, objective, MAX_TOKENS)
    batch = drawn_by(batch, near(make_model, batch, draw))
    reference_M = batch.old_logprobs_M + draw.normal(size=len(batch.old_logprobs_M)).astype(np.float32)
    batch = credited(batch, reference_M, objective)
    whole = gradient(make_model, batch, objective)
    assert any(part.norm() > 1e-6 for part in whole.values())
    assert_close(gradient(make_model, batch, objective, micro_batch_tokens=1), whole, 1e-6)  # one response in each
    with monkeypatch.context() as patch:
        patch.setattr("groupthink.policy.learner.cut", in_threes)
        assert_close(gradient(make_model, batch, objective), whole, 1e-6)
    with monkeypatch.context() as patch:  # the logits of one or two responses at a time; and of fewer than a response
        for tokens in (12, 4):
            patch.setattr("groupthink.model.logprobs.CHUNK_BYTES", tokens * VOCABULARY * 8)
            assert_close(gradient(make_model, batch, objective), whole, 1e-6)

    order = [2, 0, 1]
    other = assemble([groups[i] for i in order], advantages_PG[order], objective, MAX_TOKENS)
    old, held = (np.split(column, batch.starts[4:-1:4]) for column in (batch.old_logprobs_M, reference_M))
    other = drawn_by(other, np.concatenate([old[i] for i in order]))
    other = credited(other, np.concatenate([held[i] for i in order]), objective)
    assert_close(gradient(make_model, other, objective), whole, 1e-6)


def credited(batch, reference_M, objective):
    """With each token's own advantage, where the objective has one for each; large, so that some change their sign."""
    if objective.kl_place != "to_go":
        return batch
    given = batch.old_logprobs_M, reference_M, batch.sampled_M, batch.starts
    advantages_M = batch.advantages_M - kl_to_go(*given, estimator=objective.kl_estimator)
    advantages_M = whiten_tokens(advantages_M, batch.weights_M > 0).astype(np.float32)
    assert (np.sign(advantages_M) != np.sign(batch.advantages_M))[batch.weights_M > 0].any()
    return dataclasses.replace(batch, advantages_M=advantages_M)


def in_threes(batch, responses, max_tokens):
    return [responses[at : at + 3] for at in range(0, len(responses), 3)]


@pytest.mark.parametrize(
    "objective", [*OBJECTIVES, ObjectiveSettings.of_row("bnpo")], ids=lambda it: f"{it.name}-{it.correction}-{it.focus}"
)
def test_a_dead_group_counts_though_it_is_not_computed(
    make_model, make_groups, objective, float64_throughout, monkeypatch
):
    """Lengths and entropies in it are not those of the rest, so that it shows in any mean that it is in."""
    objective = dataclasses.replace(objective, kl=0.0, entropy_bonus=0.0, reference_every=0)
    draw = np.random.default_rng(3)
    advantages_PG = draw.normal(size=(3, 4)) * [[1], [0], [1]]
    batch = assemble(make_groups(), advantages_PG, objective, MAX_TOKENS)
    batch = drawn_by(batch, near(make_model, batch, draw))
    found = gradient(make_model, batch, objective)
    monkeypatch.setattr("groupthink.policy.learner.only_live_groups_teach", lambda objective: False)
    assert_close(found, gradient(make_model, batch, objective), 1e-6)


def drawn_by(batch, logprobs_M):
    return dataclasses.replace(batch, old_logprobs_M=logprobs_M, drawn_logprobs_M=logprobs_M)


def near(make_model, batch, draw) -> np.ndarray:
    """Old log-probabilities from which the ratios run from 0.3 to 3."""
    with torch.no_grad():
        now = torch.cat(plain_logprobs(make_model(0, attention="eager"), batch)).numpy()
    return (now - draw.uniform(np.log(0.3), np.log(3), len(now))).astype(np.float32)


@pytest.mark.parametrize("name", ROWS)
def test_packed_is_padded(make_model, make_groups, name, float64_throughout):
    """Against one padded forward pass with every logit held, by transformers' own attention."""
    objective = ObjectiveSettings.of_row(name, kl=0.1)
    draw = np.random.default_rng(4)
    batch = assemble(make_groups(), draw.normal(size=(3, 4)), objective, MAX_TOKENS)
    batch = drawn_by(batch, near(make_model, batch, draw))
    found = gradient(make_model, batch, objective)

    model, reference = (make_model(seed, attention="eager", pad=None, dtype=torch.float64) for seed in (0, 1))
    with torch.no_grad():
        reference_M = torch.cat(plain_logprobs(reference, batch))
    logprobs_M = torch.cat(plain_logprobs(model, batch))
    tokens = Tokens(
        logprobs_M=logprobs_M,
        entropies_M=torch.zeros_like(logprobs_M),
        old_logprobs_M=torch.tensor(batch.old_logprobs_M),
        advantages_M=torch.tensor(batch.advantages_M),
        weights_M=torch.tensor(batch.weights_M),
        sampled_M=torch.tensor(batch.sampled_M),
        response_M=torch.tensor(np.repeat(np.arange(12), np.diff(batch.starts))),
        reference_logprobs_M=reference_M,
    )
    reduced(tokens, objective, token_losses(tokens, objective).losses_M).backward()
    assert_close(found, {key: parameter.grad for key, parameter in model.named_parameters()}, 1e-6)
