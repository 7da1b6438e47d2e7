from pathlib import Path

import pytest
import torch

from groupthink.nano.tokenizer import build_tokenizer
from groupthink.rollout.settings import RolloutSettings
from groupthink.rollout.vllm.open import open_vllm
from groupthink.rollout.vllm.plan import aliases_of, make_plan
from groupthink.rollout.vllm.process import VllmProcessEngine
from groupthink.rollout.vllm.settings import VllmSettings
from tests.tiny import tiny

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    "name, value", [("threads", 0), ("max_sequences", 0), ("context", -1), ("failures", 0), ("memory_gb", 0.0)]
)
def test_figures_with_which_nothing_runs_are_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"vllm.{name} is {value}"):
        VllmSettings(**{name: value})
    with pytest.raises(ValueError, match="memory_share"):
        VllmSettings(memory_share=1.0)


def test_a_plan_says_what_vllm_needs_of_a_model(tmp_path: Path):
    model = tiny("qwen3")
    model.generation_config.eos_token_id = [3, 500]
    plan = make_plan(model, build_tokenizer(), VllmSettings(max_sequences=4), tmp_path)
    assert (plan.dtype, plan.context, plan.stop_ids) == ("float32", 256, (1, 3))  # 500 is not in the vocabulary
    assert plan.aliases == {"lm_head.weight": "model.embed_tokens.weight"}
    token_bytes = 2 * 2 * 2 * 8 * 4  # keys and values, layers, heads, sizes, bytes
    assert plan.kv_bytes == 5 * (256 + 64) * token_bytes
    assert '"Qwen3ForCausalLM"' in (tmp_path / "config.json").read_text()
    assert not list(tmp_path.glob("*.safetensors"))
    small = VllmSettings(memory_gb=100 * token_bytes / 2**30)
    assert make_plan(model, build_tokenizer(), small, tmp_path).context == 100
    assert make_plan(model, build_tokenizer(), VllmSettings(context=50), tmp_path).context == 50
    assert aliases_of(tiny("llama")) == {}


def test_models_that_cannot_be_synced_are_refused(tmp_path: Path):
    mixed = tiny("qwen3")
    mixed.model.norm.bfloat16()
    with pytest.raises(ValueError, match="of several types"):
        make_plan(mixed, build_tokenizer(), VllmSettings(), tmp_path)
    quantised = tiny("qwen3")
    quantised.config.quantization_config = {"quant_method": "bitsandbytes"}
    with pytest.raises(ValueError, match="quantised"):
        make_plan(quantised, build_tokenizer(), VllmSettings(), tmp_path)


def test_what_vllm_cannot_draw_is_refused_before_it_is_opened(tmp_path: Path):
    model, tokenizer = tiny("qwen3"), build_tokenizer()
    for settings, device, story in [
        (RolloutSettings(top_p=0.9), CPU, "rollout.top_p=0.9"),
        (RolloutSettings(top_k=5), CPU, "rollout.top_k=5"),
        (RolloutSettings(temperature=3.0), CPU, "rollout.temperature is 3.0: vLLM draws at 0"),
        (RolloutSettings(), torch.device("mps"), "does not compute on mps"),
    ]:
        with pytest.raises(ValueError, match=story):
            open_vllm(model, tokenizer, settings, device, tmp_path, VllmSettings())
    with pytest.raises(ValueError, match=r"there is no Python 'no/such/python'"):
        open_vllm(model, tokenizer, RolloutSettings(), CPU, tmp_path, VllmSettings(python="no/such/python"))


def test_where_vllm_is_not_installed_it_is_said_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("groupthink.rollout.vllm.open.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'groupthink\[vllm\]', or name a Python"):
        open_vllm(tiny("qwen3"), build_tokenizer(), RolloutSettings(), CPU, tmp_path, VllmSettings())


@pytest.mark.parametrize(
    "python, story",
    [
        ("#!/bin/sh\necho good bye >&2\nexit 3\n", r"ended with exit code 3"),
        ("#!/bin/sh\nexec sleep 60\n", r"gave no sign of life for 0\.5 s"),
    ],
    ids=["dies", "hangs"],
)
def test_a_process_that_never_begins_ends_the_run_after_three_tries(python: str, story: str, tmp_path: Path):
    script = tmp_path / "python"
    script.write_text(python)
    script.chmod(0o755)
    with pytest.raises(
        RuntimeError, match=rf"failed 3 times in a row(.|\n)*1\. (.|\n)*{story}(.|\n)*3\. (.|\n)*{story}"
    ):
        VllmProcessEngine(tiny("qwen3"), build_tokenizer(), VllmSettings(), tmp_path, python=str(script), patience=0.5)
    if "bye" in python:
        assert "good bye" in (tmp_path / "vllm.log").read_text()
