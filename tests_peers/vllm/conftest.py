"""Real vLLM. Each test that passes counts, and none at all is a failure."""

import os
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from groupthink.model.loading import load_model, load_tokenizer
from groupthink.rollout.vllm.engine import VllmEngine
from groupthink.rollout.vllm.settings import VllmSettings

os.environ.pop("VLLM_CPU_KVCACHE_SPACE", None)  # it would go before vllm.memory_gb
VERSION = next(f"{its.name} {its.version}" for its in distributions() if its.name.startswith("vllm"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield
    item.funcargs["count"][VERSION] += 1  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def counted(count: Counter[str]) -> None:
    """Every test is one case."""


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer("nano")


@pytest.fixture(scope="module")
def model() -> PreTrainedModel:
    return load_model("nano")


@pytest.fixture(scope="module")
def engine(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[VllmEngine]:
    """In this process, of which it is the only one."""
    engine = VllmEngine(model, tokenizer, VllmSettings(own_process=False), folder(tmp_path_factory))
    yield engine
    engine.close()


def folder(factory: pytest.TempPathFactory) -> Path:
    return factory.mktemp("vllm")
