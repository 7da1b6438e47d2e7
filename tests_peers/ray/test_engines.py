"""Engines on a cluster: the bits of a local one, whoever draws, dies, joins or leaves."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from groupthink.model.loading import load_model, load_tokenizer
from groupthink.records import Weights
from groupthink.rollout.engine import Sampling
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.vllm.settings import VllmSettings
from groupthink.scale.engines import RayEngines

TOKENIZER = load_tokenizer("nano")
PROMPTS = [np.array(TOKENIZER.encode(f"Solve x^2-{n}x+{m}=0")) for n, m in ((5, 6), (3, 2), (12, 20), (1, 0))]
MANY = [(PROMPTS[i % 4], Sampling(200, temperature=1.5, n=8), i) for i in range(24)]
"""Enough for both engines to be at work for a while."""


def opened(cluster, **rollout):
    engines = RayEngines(load_model("nano"), TOKENIZER, RolloutSettings(**rollout), VllmSettings(), cluster)
    engines.invite()
    return engines


def weights(version):
    """Nano's own, and others that are near them; a decoder of nano's gives the same bits whatever it draws beside."""
    noise = torch.Generator().manual_seed(version)
    with torch.no_grad():
        tensors = {
            name: tensor + 0.01 * bool(version) * torch.randn(tensor.shape, generator=noise)
            for name, tensor in load_model("nano").named_parameters()
        }
    return Weights(version, tensors)


def plain(version=0):
    engine = TorchEngine(load_model("nano"), TOKENIZER)
    engine.load(weights(version))
    return engine


def drawn(engine, requests):
    handles = [engine.submit(*request) for request in requests]
    return [handle.result() for handle in handles]


def bits(groups):
    return [
        (one.token_ids_T.tobytes(), one.logprobs_T.tobytes(), one.versions_T.tobytes(), one.text, one.finish, one.seed)
        for group in groups
        for one in group
    ]


def until(what, seconds=200.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture(scope="module")
def expected():
    return bits(drawn(plain(), MANY))


@pytest.fixture(scope="module")
def engines(cluster):
    its = opened(cluster, patience=15)
    its.load(weights(0))
    until(lambda: len(its.able()) == 2)
    yield its
    its.close()


def test_two_engines_draw_bit_for_bit_what_a_local_one_draws(engines, expected):
    handles = [engines.submit(*request) for request in MANY]
    handles[-1].start()
    until(lambda: all(map(engines.queue.of, (0, 1))))
    assert bits([handle.result() for handle in handles]) == expected
    assert not engines.restarts


def test_new_weights_reach_all_and_are_compared(engines):
    engines.load(weights(1))
    assert [member.current for member in engines.crew.ready()] == [engines.newest[0]] * 2
    assert bits(drawn(engines, MANY[:8])) == bits(drawn(plain(1), MANY[:8]))
    engines.verify(weights(1))
    with pytest.raises(RuntimeError, match="version 1, and the learner is at version 2: a sync was left out"):
        engines.verify(weights(2))
    changed = weights(1)
    next(iter(changed.tensors.values())).data += 1e-3
    with pytest.raises(RuntimeError, match="not the learner's"):
        engines.verify(changed)
    engines.load(weights(0))


def test_what_cannot_be_answered_or_loaded_is_refused_at_once(engines):
    with pytest.raises(ValueError, match="context"):
        engines.submit(np.arange(3000) % 90, Sampling(1), seed=0)
    with pytest.raises(ValueError, match="not this model's weights"):
        engines.load(Weights(1, {}))


def test_a_cancelled_prompt_gives_its_place_to_others(engines):
    handle = engines.submit(PROMPTS[0], Sampling(240, n=400), 5)
    handle.start()
    until(lambda: handle.work.engine is not None)
    handle.cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        handle.result()
    until(lambda: not engines.queue.given)
    told = [ids for j, ids in engines.submit(PROMPTS[1], Sampling(9), 5)]
    assert told == [drawn(plain(), [(PROMPTS[1], Sampling(9), 5)])[0][0].token_ids_T.tolist()]


@pytest.mark.fault("F18")
@pytest.mark.parametrize("blow", ["SIGKILL", "SIGSTOP"])
def test_one_that_dies_or_hangs_in_mid_draw_is_replaced_and_the_same_is_drawn(engines, expected, blow):
    told = len(engines.restarts)
    handles = [engines.submit(*request) for request in MANY]
    handles[-1].start()
    victim = engines.able()[0]
    until(lambda: engines.queue.of(victim.number))
    os.kill(victim.sign.process, getattr(signal, blow))
    started = time.monotonic()
    assert bits([handle.result() for handle in handles]) == expected
    assert time.monotonic() - started < 15 + 45
    (reason,) = engines.restarts[told:]
    what = "died" if blow == "SIGKILL" else "has been silent for 15 s"
    assert reason.startswith(f"engine {victim.post.index + 1} (process {victim.sign.process} on ") and what in reason
    until(lambda: len(engines.able()) == 2)
    assert bits(drawn(engines, MANY)) == expected
