"""Drawing in a process of its own: which weights draw what, and what becomes of a process that dies or hangs."""

import os
import signal
import time

import numpy as np
import pytest
import torch

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Weights
from groupthink.rollout import ahead_engine
from groupthink.rollout.ahead_engine import AheadEngine
from groupthink.rollout.engine import EngineFailed, Sampling
from groupthink.rollout.torch_engine import TorchEngine
from tests.rollout.test_workers import PROMPTS, assert_same, ending_model, rollout

LONG = Sampling(200, n=4)


def plain(seed=0) -> TorchEngine:
    return TorchEngine(ending_model(seed), build_tokenizer())


def weights(version: int) -> Weights:
    return Weights(version, dict(ending_model(version).named_parameters()))


@pytest.fixture
def engine():
    opened = AheadEngine(plain(), lag=1, at_once=False, patience=20)
    yield opened
    opened.close()


@pytest.mark.usefixtures("anew")
def test_it_draws_what_an_engine_in_this_process_draws(engine):
    assert_same(rollout(engine), rollout(plain()))
    assert not engine._mapped._files  # nothing is held that others might map


def test_what_was_asked_for_before_a_load_is_drawn_from_the_weights_before_it(engine):
    asked = []
    for version in (1, 2, 3):
        asked.append([engine.submit(prompt, Sampling(20, n=3), seed=i) for i, prompt in enumerate(PROMPTS)])
        asked[-1][-1].start()
        engine.load(weights(version))
    here = plain()
    for version, handles in enumerate(asked):
        if version:
            here.load(weights(version))
        assert_same([handle.result() for handle in handles], rollout(here))
    assert engine.submit(PROMPTS[0], LONG, 0).result()[0].versions_T.tolist()[0] == 3
    assert len(engine.log) == 1 and not engine.restarts


def test_at_once_unfinished_responses_go_on_under_newer_weights():
    engine = AheadEngine(plain(), lag=1, at_once=True, patience=20)
    try:
        handles = [engine.submit(prompt, LONG, seed=i) for i, prompt in enumerate(PROMPTS)]
        handles[-1].start()
        while not any(getattr(it, "taken", False) for it in engine.log):  # it has begun
            engine.advance(0)
        engine.load(weights(1))
        versions = [r.versions_T for handle in handles for r in handle.result()]
    finally:
        engine.close()
    assert all((np.diff(versions_T) >= 0).all() for versions_T in versions)
    assert {int(version) for versions_T in versions for version in versions_T} <= {0, 1}


@pytest.mark.fault("F18")
@pytest.mark.parametrize("blow", ["SIGKILL", "SIGSTOP"])
def test_a_process_that_dies_or_hangs_is_replaced_and_draws_the_same(engine, blow):
    expected = rollout(plain(), [*PROMPTS] * 4)
    rollout(engine)  # it is there
    engine.workers.silence = 8
    handles = [engine.submit(prompt, Sampling(20, n=3), seed=i) for i, prompt in enumerate([*PROMPTS] * 4)]
    handles[-1].start()
    os.kill(engine.workers.processes[0].pid, getattr(signal, blow))
    assert_same([handle.result() for handle in handles], expected)
    assert len(engine.restarts) == 1 and not engine.failures


def test_after_three_failures_in_a_row_the_engine_gives_up_and_says_what_happened(engine, monkeypatch):
    monkeypatch.setattr(ahead_engine, "draw_ahead", die)
    os.kill(engine.workers.processes[0].pid, signal.SIGKILL)
    with pytest.raises(EngineFailed, match=r"(?s)failed 3 times in a row.* 1\. .*died.* 3\. .*exit code 7"):
        engine.submit(PROMPTS[0], LONG, 0).result()


def die(connection):
    os._exit(7)


def test_what_the_process_itself_raises_is_no_reason_to_begin_another(engine, monkeypatch):
    held = engine.buffers[engine.newest.buffer].tensors
    with torch.no_grad():
        next(iter(held.values())).fill_(float("inf"))
    engine.newest = ahead_engine.Load(1, engine.newest.buffer, 0)
    engine._send(engine.newest)
    with pytest.raises(RuntimeError, match=r"(?s)failed.*not those that were sent"):
        engine.submit(PROMPTS[0], LONG, 0).result()
    assert not engine.restarts


def test_much_on_its_way_in_both_directions_is_no_deadlock(engine):
    """More than a pipe holds: finished responses that nobody has taken yet, and prompts that are still to be drawn."""
    first = [engine.submit(PROMPTS[0], Sampling(200, n=16), seed=i) for i in range(64)]
    first[-1].start()
    time.sleep(8)
    second = [engine.submit(np.arange(200) % 90 + 2, Sampling(1), seed=i) for i in range(600)]
    second[-1].start()
    assert all(len(handle.result()) == 16 for handle in first) and all(handle.result() for handle in second)


def test_weights_of_another_model_are_refused(engine):
    with pytest.raises(ValueError, match="not this model's weights"):
        engine.load(Weights(1, {"a": torch.zeros(1)}))
