"""vLLM in two processes that share every matrix out: the same log-probabilities, and no stale shard unseen."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.records import Weights
from groupthink.rollout.vllm.plan import make_plan
from groupthink.rollout.vllm.process import VllmProcessEngine
from groupthink.rollout.vllm.settings import VllmSettings
from tests_peers.vllm.conftest import folder
from tests_peers.vllm.steps import differences, draw

SETTINGS = VllmSettings(tensor_parallel=2)
KINDS = [
    "model.embed_tokens.weight",
    "model.norm.weight",
    *(f"model.layers.1.self_attn.{part}_proj.weight" for part in "qkvo"),
    "model.layers.1.self_attn.k_norm.weight",
    *(f"model.layers.2.mlp.{part}_proj.weight" for part in ("gate", "up", "down")),
]


@pytest.fixture(scope="module")
def engine(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmProcessEngine]:
    place = folder(tmp_path_factory)
    engine = VllmProcessEngine(model, tokenizer, SETTINGS, place, python=sys.executable, patience=60.0)
    yield engine
    shards = [psutil.Process(pid) for pid in shards_of(engine)]
    engine.close()
    assert len(shards) == 2 and not psutil.wait_procs(shards, timeout=5)[1]


def is_running(pid: int) -> bool:
    """One that has ended and was not waited for does not."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def shards_of(engine: VllmProcessEngine) -> list[int]:
    """The processes that vLLM has begun."""
    children = psutil.Process(engine.process.process.pid).children()
    return [child.pid for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def moved(model: PreTrainedModel, by: float) -> dict[str, torch.Tensor]:
    return {name: tensor * by for name, tensor in model.state_dict().items()}


def test_log_probabilities_are_the_learner_s_under_whatever_weights(
    engine: VllmProcessEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    assert np.abs(differences(model, draw(engine, tokenizer, 1))).max() <= 5e-5
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(moved(model, 1.02))
    engine.load(Weights(3, model.state_dict()))
    groups = draw(engine, tokenizer, 2)
    assert np.abs(differences(model, groups)).max() <= 5e-5
    assert {int(v) for group in groups for each in group.responses for v in each.versions_T} == {3}
    model.load_state_dict(kept)
    engine.load(Weights(0, kept))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("element", [0, -1], ids=["first", "last"])
def test_one_element_that_differs_in_either_shard_is_named(
    name: str, element: int, engine: VllmProcessEngine, model: PreTrainedModel
):
    tensors = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    flat = tensors[name].view(-1)
    flat[element] = torch.nextafter(flat[element], torch.tensor(9.0))
    stale = rf"(1|2) of the 47 tensors .* not the learner's: {name}(, lm_head.weight)?\."  # the head is tied
    with pytest.raises(RuntimeError, match=stale):
        engine.verify(Weights(0, tensors))
    engine.verify(Weights(0, model.state_dict()))


@pytest.mark.timeout(240)
def test_a_shard_s_process_that_is_killed_is_made_good(
    engine: VllmProcessEngine, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
):
    before = len(engine.restarts)
    killed = shards_of(engine)
    os.kill(killed[1], signal.SIGKILL)
    groups = draw(engine, tokenizer, 3)
    assert np.abs(differences(model, groups)).max() <= 5e-5
    assert len(engine.restarts) == before + 1 and not any(map(is_running, killed))


def test_heads_that_cannot_be_shared_out_are_said_before_vllm_is_opened(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path: Path
):
    with pytest.raises(ValueError, match=r"tensor_parallel=3 does not share out 4 heads, .* give one of 1, 2, 4"):
        make_plan(model, tokenizer, VllmSettings(tensor_parallel=3), tmp_path)
