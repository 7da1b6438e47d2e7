"""vLLM's log-probabilities are the learner's, before the first update and after each; and GRPO learns by them."""

from pathlib import Path

import numpy as np
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.advantage import AdvantageSettings, advantage
from groupthink.model.loading import load_model
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.records import Group
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.rollout.engine import Sampling
from groupthink.rollout.vllm.engine import VllmEngine
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.task import open_task
from tests_peers.vllm.steps import differences, draw, learn, make_learner, untied

UPDATES = 5


def assert_near(differences_M: np.ndarray) -> None:
    """Nats, in float32. Where they differ by more, each is as far from the same computed in float64."""
    assert len(differences_M) > 1000
    assert (differences_M <= 1e-5).mean() >= 0.999 and differences_M.max() <= 5e-5


def assert_drawn_by(groups: list[Group], version: int) -> None:
    assert {int(each) for group in groups for response in group.responses for each in response.versions_T} == {version}


def test_grpo_learns_and_they_agree_with_tied_embeddings(tokenizer: PreTrainedTokenizerBase, tmp_path: Path):
    model = load_model("nano")
    assert model.lm_head.weight is model.model.embed_tokens.weight
    learner = make_learner(model, learning_rate=6e-4, warmup_steps=5)  # as in the default recipe
    judge = Judge(RewardSettings(), open_task("quadratics", 0))
    engine = VllmEngine(model, tokenizer, VllmSettings(own_process=False), tmp_path)
    found, rewards = [], []
    try:
        for step in range(UPDATES + 1):
            engine.verify(learner.weights)
            groups = draw(engine, tokenizer, step, problems=12, sampling=Sampling(max_tokens=200, n=8))
            assert_drawn_by(groups, step)
            found.append(np.abs(differences(model, groups)))
            scores = judge.score(groups)
            rewards.append(np.mean([score.value for group in scores for score in group]))
            if step < UPDATES:
                learner.update(assemble(groups, advantage(scores, AdvantageSettings())))
                engine.load(learner.weights)
    finally:
        engine.close()
    for differences_M in found:
        assert_near(differences_M)
    assert np.mean(rewards[-2:]) > np.mean(rewards[:2]) + 0.1


def test_they_agree_with_a_head_of_its_own_and_another_temperature(tokenizer: PreTrainedTokenizerBase, tmp_path: Path):
    model, temperature = untied(), 0.7
    assert model.lm_head.weight is not model.model.embed_tokens.weight
    learner = make_learner(model, learning_rate=1e-3, temperature=temperature)
    engine = VllmEngine(model, tokenizer, VllmSettings(own_process=False), tmp_path)
    try:
        for step in range(UPDATES + 1):
            engine.verify(learner.weights)
            groups = draw(engine, tokenizer, step, sampling=Sampling(max_tokens=60, temperature=temperature, n=6))
            assert_drawn_by(groups, step)
            assert_near(np.abs(differences(model, groups, temperature)))
            if step < UPDATES:
                assert move(learner, model, groups, step) > 1e-4
                engine.load(learner.weights)
    finally:
        engine.close()


def move(learner: Learner, model: PreTrainedModel, groups: list[Group], step: int) -> float:
    """Make an update; gives how far the head has gone, on average."""
    before = model.lm_head.weight.clone()
    learn(learner, groups, step)
    return (model.lm_head.weight - before).abs().mean().item()
