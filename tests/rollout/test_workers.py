import os
import signal

import numpy as np
import pytest
import torch

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.records import Weights
from groupthink.rollout.engine import EngineFailed, Sampling
from groupthink.rollout.open import open_engine
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.torch_engine import TorchEngine
from groupthink.rollout.worker_engine import WorkerEngine
from tests.tiny import tiny

PROMPTS = [np.array(prompt) for prompt in ([5, 9, 33], [4] * 12 + [7], [88, 2, 3, 5, 70, 71], [50])]
CPU = torch.device("cpu")


def ending_model(seed=0):
    """Its ends stand in the generation settings only, which are not part of a config."""
    model = tiny("qwen3", seed)
    model.generation_config.eos_token_id = list(range(1, 12))
    return model


@pytest.fixture(scope="module")
def shared_engine():
    engine = open_engine(ending_model(), build_tokenizer(), RolloutSettings(processes=2), CPU)
    yield engine
    engine.close()


def rollout(engine, prompts=PROMPTS, order=None):
    handles = [engine.submit(prompt, Sampling(20, n=3), seed=i) for i, prompt in enumerate(prompts)]
    results = {i: handles[i].result() for i in order or range(len(handles))}
    return [results[i] for i in range(len(handles))]


def assert_same(groups, others):
    for group, other in zip(groups, others, strict=True):
        for one, two in zip(group, other, strict=True):
            assert one.token_ids_T.tolist() == two.token_ids_T.tolist()
            assert (one.text, one.finish, one.seed) == (two.text, two.finish, two.seed)
            assert one.versions_T.tolist() == two.versions_T.tolist()
            np.testing.assert_allclose(one.logprobs_T, two.logprobs_T, atol=5e-5)


def test_two_processes_draw_what_one_draws(shared_engine):
    assert isinstance(shared_engine, WorkerEngine)
    expected = rollout(TorchEngine(ending_model(), build_tokenizer()))
    assert {response.finish for group in expected[1::2] for response in group} == {"stop", "length"}
    assert_same(rollout(shared_engine), expected)
    assert_same(rollout(shared_engine, order=[3, 0, 2, 1]), expected)


def test_the_file_is_let_go_once_all_have_the_weights(shared_engine):
    rollout(shared_engine)
    assert not shared_engine.shares[0].file._files


def test_every_bit_is_the_same_the_next_time(shared_engine):
    for group, other in zip(rollout(shared_engine), rollout(shared_engine), strict=True):
        for one, two in zip(group, other, strict=True):
            assert one.logprobs_T.tobytes() == two.logprobs_T.tobytes()


def test_weights_reach_every_process(shared_engine):
    other = ending_model(seed=1)
    expected_engine = TorchEngine(other, build_tokenizer())
    expected_engine.load(Weights(3, dict(other.named_parameters())))
    shared_engine.load(Weights(2, {name: p * 2 for name, p in other.named_parameters()}))  # nothing is drawn from it
    shared_engine.load(Weights(3, dict(other.named_parameters())))
    assert_same(rollout(shared_engine), rollout(expected_engine))
    shared_engine.load(Weights(0, dict(ending_model().named_parameters())))


def test_a_second_batch_may_be_asked_for_before_the_first_is_taken(shared_engine):
    sampling = Sampling(10)
    first = [shared_engine.submit(prompt, sampling, seed=1) for prompt in PROMPTS]
    first[0].result()
    second = [shared_engine.submit(prompt, sampling, seed=2) for prompt in PROMPTS]
    second[3].cancel()
    assert all(handle.result() for handle in second[:3])
    assert [sum(map(len, handle.result())) for handle in first]
    with pytest.raises(RuntimeError, match="cancelled"):
        second[3].result()


def test_handles_of_every_process_stream(shared_engine):
    handles = [shared_engine.submit(prompt, Sampling(10, n=2), seed=1) for prompt in PROMPTS[:2]]
    for handle in handles:
        told = {0: [], 1: []}
        for j, new_ids in handle:
            told[j] += new_ids
        assert [told[j] for j in (0, 1)] == [response.token_ids_T.tolist() for response in handle.result()]


def test_a_prompt_that_a_worker_could_not_answer_is_refused_at_once(shared_engine):
    shared_engine.submit(PROMPTS[0], Sampling(1), seed=0)
    with pytest.raises(ValueError, match="context"):
        shared_engine.submit(np.arange(300) % 100, Sampling(1), seed=0)
    shared_engine.rest()


@pytest.mark.fault("F18")
@pytest.mark.parametrize("blow", ["SIGKILL", "SIGSTOP"])
def test_a_worker_that_dies_or_hangs_is_replaced_and_draws_the_same(blow):
    engine = open_engine(ending_model(), build_tokenizer(), RolloutSettings(processes=2), CPU)
    try:
        expected = rollout(engine, [*PROMPTS] * 4)
        newer = Weights(1, dict(ending_model(seed=1).named_parameters()))
        engine.patience = 8
        handles = [engine.submit(prompt, Sampling(20, n=3), seed=i) for i, prompt in enumerate([*PROMPTS] * 4)]
        handles[-1].start()
        os.kill(engine.workers.processes[0].pid, getattr(signal, blow))
        assert_same([handle.result() for handle in handles], expected)
        assert len(engine.restarts) == 1 and not engine.shares[0].failures
        assert not engine.shares[0].file._files
        here = TorchEngine(ending_model(), build_tokenizer())
        for each in (engine, here):
            each.load(newer)
        assert_same(rollout(engine), rollout(here))  # it follows the weights as the first one did
    finally:
        engine.close()


def test_a_worker_that_fails_again_and_again_ends_the_engine_and_is_named(monkeypatch):
    engine = open_engine(tiny("qwen3"), build_tokenizer(), RolloutSettings(processes=2), CPU)
    try:
        engine.workers.serve = die
        process = engine.workers.processes[0]
        process.kill()
        first = rf"worker 1 \(process {process.pid}\) died with exit code -9"
        with pytest.raises(EngineFailed, match=rf"(?s)failed 3 times in a row.* 1\. .*{first}.* 3\. .*exit code 7"):
            rollout(engine)
    finally:
        engine.close()


def die(connection):
    os._exit(7)


def test_what_a_worker_itself_raises_is_no_reason_to_begin_another():
    engine = open_engine(tiny("qwen3"), build_tokenizer(), RolloutSettings(processes=2), CPU)
    try:
        rollout(engine)
        engine.workers.send(0, ("load", 1, 12345))  # a checksum that is not that of the file
        with pytest.raises(RuntimeError, match=r"(?s)failed.*not those that were sent"):
            rollout(engine)
        assert not engine.restarts
    finally:
        engine.close()


def test_a_sync_that_was_left_out_is_noticed(shared_engine):
    shared_engine.verify(Weights(0, dict(ending_model().named_parameters())))
    with pytest.raises(RuntimeError, match="version 0, and the learner is at version 1: a sync was left out"):
        shared_engine.verify(Weights(1, dict(ending_model().named_parameters())))


@pytest.mark.fault("F11")
def test_a_worker_that_has_other_weights_than_were_sent_does_not_draw(shared_engine):
    tensor = next(iter(shared_engine.shares[0].weights.tensors.values()))
    with torch.no_grad():
        tensor += 1e-6
    try:
        with pytest.raises(RuntimeError, match="not the learner's"):
            shared_engine.verify(Weights(0, dict(ending_model().named_parameters())))
    finally:
        shared_engine.load(Weights(0, dict(ending_model().named_parameters())))


def test_one_process_needs_no_workers():
    assert type(open_engine(tiny("qwen3"), build_tokenizer(), RolloutSettings(processes=1), CPU)) is TorchEngine


def test_fewer_processes_draw_the_same_and_those_that_are_not_kept_end():
    engine = open_engine(ending_model(), build_tokenizer(), RolloutSettings(processes=3), CPU)
    try:
        expected = rollout(engine)
        for n in (1, 2):
            engine.use(n)
            assert_same(rollout(engine), expected)
            assert not any(share.collected or share.sent for share in engine.shares[n - 1 :])
        processes = list(engine.workers.processes)
        assert engine.keep(2) is engine
        assert [process.is_alive() for process in processes] == [True, False]
        assert_same(rollout(engine), expected)
        engine.load(Weights(1, dict(ending_model().named_parameters())))
        alone = engine.keep(1)
        assert alone is engine.local and not processes[0].is_alive()
        alone.load(Weights(0, dict(ending_model().named_parameters())))
        assert_same(rollout(alone), expected)
    finally:
        engine.close()
