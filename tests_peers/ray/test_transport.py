"""Weights that engines read where they lie, by NIXL itself and in ordinary memory: the bits, and what is gone when."""

import os
import signal
import time
from collections.abc import Iterator

import pytest
import ray
import torch

from groupthink.model.loading import load_model, load_tokenizer
from groupthink.model.origin import Origin
from groupthink.policy.objective.settings import ObjectiveSettings
from groupthink.policy.settings import PolicySettings
from groupthink.records import Weights
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.run.metrics import read_metrics
from groupthink.scale.cluster import Cluster
from groupthink.scale.engines import RayEngines
from groupthink.scale.learners import Learners
from groupthink.scale.rank import Curriculum
from groupthink.scale.settings import ScaleSettings
from groupthink.scale.weights import assemble
from tests.scale.ranks import batch_of
from tests.stage.conftest import train, weights

pytest.importorskip("nixl", reason="pip install 'groupthink[nixl]'")

OBJECTIVE = ObjectiveSettings.of_row("grpo", kl=0.0)
SETTINGS = PolicySettings(threads=1, learning_rate=1e-3, warmup_steps=0, micro_batch_tokens=512)
NANO = Origin("nano", "float32")
PATIENCE = 30.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def own(nodes, cluster):
    return Cluster(ScaleSettings(engines=2, learners=2, transport="nixl", address=nodes.address, patience=PATIENCE))


@pytest.fixture(scope="module")
def learners(own) -> Iterator[Learners]:
    curriculum = Curriculum(NANO, None, SETTINGS, OBJECTIVE, 20, 1.0, threads=1, patience=PATIENCE, transport="nixl")
    its = Learners(own, curriculum, NANO.outline(), lambda: None)
    yield its
    its.close()


@pytest.fixture(scope="module")
def engines(own, learners) -> Iterator[RayEngines]:
    rollout = RolloutSettings(patience=60)
    its = RayEngines(load_model("nano"), load_tokenizer("nano"), rollout, VllmSettings(), own)
    its.load(learners.weights)
    until(lambda: len(its.able()) == 2)
    yield its
    its.close()


def until(what, seconds=120.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def within(actor, do):
    return ray.get(actor.__ray_call__.remote(do), timeout=60)


def learned(learners) -> dict[str, torch.Tensor]:
    """The ranks' rows, through the store."""
    rows = [
        its
        for rank in learners._ranks
        for its in within(rank, lambda its: [(it.name, it.first, it.tensor) for it in its._own_rows()])
    ]
    ordered = sorted(rows, key=lambda its: its[1])
    return {name: torch.cat([rows for its, _, rows in ordered if its == name]) for name, _, _ in rows}


def drawn_from(engines) -> list[dict[str, torch.Tensor]]:
    return [
        within(member.actor, lambda its: {name: tensor.detach() for name, tensor in its.drawer._own.items()})
        for member in engines.able()
    ]


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(one[name].flatten().equal(other[name].flatten()) for name in other)


def kept(rank) -> int:
    """Buckets that a rank holds for others."""
    return within(rank, lambda its: ray._private.worker.global_worker.rdt_manager.rdt_store.get_num_objects())


def test_a_run_is_the_local_run_bit_for_bit_and_says_what_a_sync_takes(cluster, recipe, tmp_path):
    """First: later all four cores are taken."""
    words = ("steps=2", "checkpoint_every=2")
    local = train(tmp_path / "local", recipe, *words)
    run = train(tmp_path / "run", recipe, *words, "scale.engines=2", "scale.transport=nixl")
    assert weights(run.path) == weights(local.path)
    assert all(line["time/sync"] > 0 for line in read_metrics(run.path / "metrics.jsonl"))


def test_engines_have_the_bits_of_two_learners_after_each_update(engines, learners):
    for seed in range(2):
        learners.update(batch_of(OBJECTIVE, seed))
        given = learners.weights
        engines.load(given)
        engines.verify(given)
        expected = learned(learners)
        found = drawn_from(engines)
        assert len(found) == 2 and all(equal(its, expected) for its in found)
        assert given.delivery.transport == "nixl"
    assert not equal(expected, dict(NANO.open().named_parameters())) and not engines.restarts


def test_a_rank_keeps_one_version_for_others(engines, learners):
    """The one that engines draw from: what nobody refers to any more is freed."""
    given = learners.weights
    ones = [sum(1 for bucket in given.delivery.buckets) // 2] * 2
    until(lambda: [kept(rank) for rank in learners._ranks] == ones)


def test_an_engine_that_comes_late_has_what_the_others_have_though_the_learners_went_on(engines, learners):
    drawn = drawn_from(engines)[0]
    victim = engines.able()[0]
    os.kill(victim.sign.process, signal.SIGKILL)
    learners.update(batch_of(OBJECTIVE, 7))
    assert not equal(learned(learners), drawn)
    until(lambda: len(engines.able()) == 2 and victim not in engines.able())
    assert all(equal(found, drawn) for found in drawn_from(engines))
    engines.load(learners.weights)
    assert all(equal(found, learned(learners)) for found in drawn_from(engines))


def test_a_byte_that_changed_where_it_lies_is_noticed(learners):
    def change(its):
        [[held]] = [its.data for its in ray._private.worker.global_worker.rdt_manager.rdt_store._rdt_store[place]]
        held[5] ^= 1

    delivery = learners.weights.delivery
    place = delivery.buckets[0].reference.hex()
    here = dict(load_model("nano").named_parameters())
    assemble(delivery, here, 20)
    within(learners._ranks[0], change)
    with pytest.raises(RuntimeError, match="did not arrive as they were sent"):
        assemble(delivery, here, 20)
    learners._delivery = None


def test_what_a_lost_rank_held_is_gone_with_it_and_the_next_weights_are_there(engines, learners):
    before = learners.weights.delivery
    [process] = [within(learners._ranks[1], lambda its: os.getpid())]
    os.kill(process, signal.SIGKILL)
    learners.update(batch_of(OBJECTIVE, 8))
    assert "learner 2 is gone" in learners.restarts[-1]
    with pytest.raises(RuntimeError, match="who put them is gone"):
        assemble(before, dict(load_model("nano").named_parameters()), 20)
    engines.load(learners.weights)
    assert all(equal(found, learned(learners)) for found in drawn_from(engines))


def test_weights_of_a_local_learner_are_read_from_the_runs_own_process(engines):
    tensors = {name: tensor.detach().clone() + 1 for name, tensor in load_model("nano").named_parameters()}
    sent = Weights(50, tensors)
    engines.load(sent)
    engines.verify(sent)
    assert all(equal(found, tensors) for found in drawn_from(engines))
