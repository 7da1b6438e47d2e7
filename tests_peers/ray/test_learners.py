"""Learners on a cluster: the updates of one alone, and what comes of ranks that die, stop or run out of memory."""

import os
import signal
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
import ray
import torch

from groupthink.advantage import advantage
from groupthink.advantage.settings import AdvantageSettings
from groupthink.model.chat import Chat
from groupthink.model.loading import load_tokenizer
from groupthink.model.origin import Origin
from groupthink.model.settings import ChatSettings
from groupthink.policy.assemble import assemble
from groupthink.policy.learner import Learner
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.rollout.engine import Sampling
from groupthink.rollout.generate import generate
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.scale.cluster import Cluster
from groupthink.scale.learners import Learners, LearnersFailed
from groupthink.scale.rank import Curriculum
from groupthink.scale.settings import ScaleSettings
from groupthink.task import open_task
from tests.scale.ranks import batch_of

OBJECTIVE = ObjectiveSettings.of_row("grpo", kl=0.05)
SETTINGS = PolicySettings(threads=1, learning_rate=1e-3, warmup_steps=0, micro_batch_tokens=512)
NANO = Origin("nano", "float32")
PATIENCE = 20.0
STEPS = 10

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def alone():
    return Learner(NANO.open(), NANO.open(), SETTINGS, OBJECTIVE, total_steps=20, temperature=1.0)


@pytest.fixture(scope="module")
def recorded(alone):
    """Ten steps of real rollouts, drawn from a learner that learns alone, and what it said of each."""
    task, chat = open_task("quadratics"), Chat(load_tokenizer("nano"), ChatSettings())
    judge, engine = Judge(RewardSettings(), task), TorchEngine(alone.model, chat.tokenizer)
    found = []
    for step in range(STEPS):
        engine.load(alone.weights)
        groups = generate(engine, chat, task.sample(step, 4), Sampling(80, n=4), seed=step)
        advantages_PG = advantage(judge.score(groups), AdvantageSettings())
        batch = assemble(groups, advantages_PG, OBJECTIVE, 80)
        found.append((batch, alone.update(batch)))
    return found


@pytest.fixture
def cleared(monkeypatch):
    """For tests in which nothing more comes of the other rank, once one has failed."""
    monkeypatch.setattr("groupthink.scale.learners.CLEARING", 3.0)


@pytest.fixture(scope="module")
def saved():
    return []


@pytest.fixture(scope="module")
def learners(nodes, cluster, saved):
    own = Cluster(ScaleSettings(learners=2, address=nodes.address, patience=PATIENCE))
    curriculum = Curriculum(NANO, NANO, SETTINGS, OBJECTIVE, 20, 1.0, threads=1, patience=PATIENCE)
    its = Learners(own, curriculum, NANO.outline(), lambda: saved[-1] if saved else None)
    yield its
    its.close()


def far(learners, alone) -> float:
    """Between the two's weights, relative to how far they have moved from nano's."""
    start = {name: tensor.detach() for name, tensor in NANO.open().named_parameters()}
    now = {name: tensor.detach() for name, tensor in alone.model.named_parameters()}
    apart = sum(float((learners.weights.tensors[name] - now[name]).norm() ** 2) for name in now)
    moved = sum(float((now[name] - start[name]).norm() ** 2) for name in now)
    return (apart / max(moved, 1e-12)) ** 0.5


def process_of(learners, rank) -> int:
    return ray.get(learners._ranks[rank].__ray_call__.remote(lambda its: os.getpid()))


def all_stand(learners) -> None:
    """Whoever was killed once its answer was out is missed when something is asked next."""
    learners.laws([np.arange(5)])


def test_ten_recorded_steps_come_to_what_one_alone_comes_to(learners, alone, recorded, saved, tmp_path_factory):
    """The same weights, to 1e-3 of how far they have moved, and the same figures."""
    for step, (batch, expected) in enumerate(recorded):
        report = learners.update(batch)
        for name in ("loss", "grad_norm", "entropy", "kl", "learning_rate", "num_tokens"):
            assert report.metrics[name] == pytest.approx(expected.metrics[name], rel=1e-2, abs=1e-5)
        np.testing.assert_allclose(report.learner_logprobs_M, expected.learner_logprobs_M, atol=1e-3)
        assert learners.weights.version == learners.steps == step + 1
        if step == STEPS - 2:
            folder = tmp_path_factory.mktemp("checkpoint")
            learners.save(folder)
            saved.append(folder)
    assert far(learners, alone) < 1e-3
    batch = batch_of(OBJECTIVE, 9)
    np.testing.assert_allclose(learners.reference_logprobs(batch), alone.reference_logprobs(batch), atol=1e-4)
    beginnings = [batch.prompts[0], batch.prompts[1]]
    np.testing.assert_allclose(learners.laws(beginnings), alone.laws(beginnings), atol=1e-3)


def test_a_checkpoint_of_theirs_is_taken_up_by_one_alone(learners, recorded, saved):
    again = Learner(NANO.open(), NANO.open(), SETTINGS, OBJECTIVE, total_steps=20, temperature=1.0)
    again.restore(saved[-1])
    again.update(recorded[-1][0])
    assert far(learners, again) < 1e-3


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_costs_no_step(learners, alone, rank):
    """From the checkpoint, and through what was learned since: to the bits that it had."""
    before = {name: tensor.clone() for name, tensor in learners.weights.tensors.items()}
    steps, told = learners.steps, len(learners.restarts)
    os.kill(process_of(learners, rank), signal.SIGKILL)
    laws = learners.laws([np.arange(5)])  # whatever is asked first
    assert learners.steps == steps and len(learners.restarts) == told + 1
    assert f"learner {rank + 1} is gone" in learners.restarts[-1]
    assert all(torch.equal(learners.weights.tensors[name], tensor) for name, tensor in before.items())
    np.testing.assert_allclose(laws, alone.laws([np.arange(5)]), atol=1e-3)


def test_a_rank_that_stops_is_noticed_and_named(learners, alone, cleared):
    stopped = process_of(learners, 1)
    os.kill(stopped, signal.SIGSTOP)
    began = time.monotonic()
    try:
        learners.update(batch_of(OBJECTIVE, 10))
    finally:
        with suppress(ProcessLookupError):  # they have killed it themselves
            os.kill(stopped, signal.SIGKILL)
    assert "learner 2: does not answer" in learners.restarts[-1]
    assert time.monotonic() - began < 10 * PATIENCE  # with the time of beginning anew, on a busy machine
    alone.update(batch_of(OBJECTIVE, 10))
    assert far(learners, alone) < 1e-3


def test_a_rank_that_runs_out_of_memory_learns_in_smaller_parts(learners, alone, cleared):
    def tighten(its):
        passes = its.learner.ranks.local
        make = passes.backward

        def backward(micro):
            if len(micro.batch.token_ids_M) > 24:
                raise MemoryError("std::bad_alloc")
            return make(micro)

        passes.backward = backward

    ray.get(learners._ranks[0].__ray_call__.remote(tighten))
    report = learners.update(batch_of(OBJECTIVE, 11))
    assert "did not fit into the memory of rank 0" in learners.restarts[-1]
    assert report.metrics["micro_batch_tokens"] == SETTINGS.micro_batch_tokens // 2
    alone.update(batch_of(OBJECTIVE, 11))
    assert far(learners, alone) < 1e-3


def test_killed_in_the_midst_of_updates_at_random_they_end_where_they_would_have(learners, alone):
    draw = np.random.default_rng(0)
    for seed in range(12, 15):
        all_stand(learners)
        victim, pause = process_of(learners, int(draw.integers(2))), float(draw.uniform(0, 0.3))
        killing = threading.Timer(pause, os.kill, (victim, signal.SIGKILL))
        killing.start()
        learners.update(batch_of(OBJECTIVE, seed))
        killing.join()
        alone.update(batch_of(OBJECTIVE, seed))
    assert far(learners, alone) < 1e-3 and learners.steps == alone.steps


def test_what_they_object_to_themselves_is_raised_and_not_tried_again(learners, tmp_path):
    all_stand(learners)
    told = len(learners.restarts)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        learners.restore(tmp_path / "nowhere")
    assert len(learners.restarts) == told


def test_failing_again_and_again_ends_with_all_reasons(learners, monkeypatch):
    def killed(*_):
        os.kill(process_of(learners, 0), signal.SIGKILL)

    monkeypatch.setattr(learners, "_learn", lambda lesson: (killed(), learners._all("standing")))
    with pytest.raises(LearnersFailed, match="failed 3 times in a row"):
        learners.update(batch_of(OBJECTIVE))
