"""vLLM as a process of its own: the same responses, whatever becomes of the process."""

import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.records import Response, Weights
from groupthink.rollout.engine import Handle, Sampling
from groupthink.rollout.vllm.process import VllmProcessEngine
from groupthink.rollout.vllm.settings import VllmSettings
from tests_peers.vllm.conftest import folder
from tests_peers.vllm.steps import differences, draw

PATIENCE = 15.0  # seconds: the least that a recipe may ask for
SAMPLING = Sampling(max_tokens=200, n=8)


@pytest.fixture(scope="module")
def engine(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmProcessEngine]:
    place = folder(tmp_path_factory)
    engine = VllmProcessEngine(model, tokenizer, VllmSettings(), place, python=sys.executable, patience=PATIENCE)
    yield engine
    engine.close()
    assert not is_running(engine.process.process.pid)


@pytest.fixture(scope="module")
def prompts(engine: VllmProcessEngine, tokenizer: PreTrainedTokenizerBase) -> list[np.ndarray]:
    return [group.prompt_ids for group in draw(engine, tokenizer, 0)]


@pytest.fixture(scope="module")
def undisturbed(engine: VllmProcessEngine, prompts: list[np.ndarray]) -> list[tuple[Response, ...]]:
    return [handle.result() for handle in submit(engine, prompts)]


def submit(engine: VllmProcessEngine, prompts: list[np.ndarray]) -> list[Handle]:
    return [engine.submit(prompt, SAMPLING, seed=i) for i, prompt in enumerate(prompts)]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def assert_same(groups: list[tuple[Response, ...]], others: list[tuple[Response, ...]]) -> None:
    """Their seeds are the same. What is drawn beside a response may differ, and with it its roundings."""
    pairs = [pair for group, other in zip(groups, others, strict=True) for pair in zip(group, other, strict=True)]
    same = [one.token_ids_T.tolist() == other.token_ids_T.tolist() for one, other in pairs]
    assert np.mean(same) > 0.9
    for (one, other), equal in zip(pairs, same, strict=True):
        assert one.seed == other.seed
        if equal:
            np.testing.assert_allclose(one.logprobs_T, other.logprobs_T, atol=5e-5)


def test_log_probabilities_are_the_learner_s(
    engine: VllmProcessEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    groups = draw(engine, tokenizer, 1)
    assert np.abs(differences(model, groups)).max() <= 5e-5
    assert {each.finish for group in groups for each in group.responses} <= {"stop", "length"}


@pytest.mark.fault("F18")
@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "strike, story",
    [(signal.SIGKILL, "was killed by SIGKILL"), (signal.SIGSTOP, f"gave no sign of life for {PATIENCE:g} s")],
    ids=["killed", "stopped"],
)
def test_a_process_that_is_gone_in_mid_generation_is_replaced(
    strike: signal.Signals,
    story: str,
    engine: VllmProcessEngine,
    prompts: list[np.ndarray],
    undisturbed: list[tuple[Response, ...]],
    monkeypatch: pytest.MonkeyPatch,
):
    noticed: list[tuple[float, str]] = []
    replace = engine._replace
    monkeypatch.setattr(engine, "_replace", lambda gone: (noticed.append((time.monotonic(), str(gone))), replace(gone)))
    before, first = len(engine.restarts), engine.process.process.pid
    handles = submit(engine, prompts)
    stream = iter(handles[0])
    told: dict[int, list[int]] = {j: [] for j in range(SAMPLING.n)}
    for j, new_ids in itertools.islice(stream, 3):
        told[j] += new_ids
    assert engine.requests, "it was to be in the midst of it"
    os.kill(first, strike)
    struck = time.monotonic()
    for j, new_ids in stream:
        told[j] += new_ids
    results = [handle.result() for handle in handles]

    ((at, why),) = noticed
    assert at - struck < PATIENCE + 2 and why == f"process {first} {story}"
    assert len(engine.restarts) == before + 1 and not engine.failures
    assert not is_running(first)
    assert_same(results, undisturbed)
    lengths = [len(each) for each in results[0]]
    assert [len(told[j]) for j in range(SAMPLING.n)] == lengths  # nothing was told twice


@pytest.mark.fault("F11", "F18")
def test_a_new_process_has_the_current_weights(
    engine: VllmProcessEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.02
    now = Weights(4, model.state_dict())
    engine.load(now)
    os.kill(engine.process.process.pid, signal.SIGKILL)
    groups = draw(engine, tokenizer, 2)
    engine.verify(now)
    assert np.abs(differences(model, groups)).max() <= 5e-5
    assert {int(v) for group in groups for each in group.responses for v in each.versions_T} == {4}
    with pytest.raises(RuntimeError, match="version 4, and the learner is at version 5: a sync was left out"):
        engine.verify(Weights(5, model.state_dict()))
    with torch.no_grad():
        model.lm_head.weight[3, 3] += 1e-6
    with pytest.raises(RuntimeError, match=r"2 of the 47 tensors .* model\.embed_tokens\.weight, lm_head\.weight"):
        engine.verify(now)
    model.load_state_dict(kept)
    engine.load(Weights(0, kept))


def test_a_cancelled_response_makes_way_and_others_stream(engine: VllmProcessEngine, prompts: list[np.ndarray]):
    handles = submit(engine, prompts)
    handles[1].cancel()
    with pytest.raises(RuntimeError, match="cancelled"):
        handles[1].result()
    told: dict[int, list[int]] = {j: [] for j in range(SAMPLING.n)}
    pieces = 0
    for j, new_ids in handles[0]:
        told[j] += new_ids
        pieces += 1
    assert pieces > SAMPLING.n
    assert [told[j] for j in range(SAMPLING.n)] == [each.token_ids_T.tolist() for each in handles[0].result()]
    assert all(handle.result() for handle in handles[2:])
    assert not engine.requests
    engine.release()
    assert engine.submit(prompts[1], Sampling(5), seed=0).result()


def test_a_failure_that_comes_again_ends_the_run_with_its_story(
    engine: VllmProcessEngine, prompts: list[np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    """The last one here: it leaves the engine without a process."""
    monkeypatch.setattr(engine, "settings", replace(engine.settings, failures=1))
    handle = engine.submit(prompts[0], Sampling(150, n=20), seed=0)
    engine.process.send(("nonsense",))
    with pytest.raises(RuntimeError, match=r"failed 1 times in a row(.|\n)*no such message: nonsense"):
        handle.result()
