"""LoRA, bf16 and recomputed layers, reached by a recipe."""

import json

import pytest
from safetensors.torch import load_file

from groupthink.model import origin
from groupthink.model.fast_body import FastBody
from groupthink.recipe import load_recipe
from groupthink.run.metrics import read_metrics
from tests.stage.conftest import STEPS, resume, train, weights

LORA = ("lora.rank=4", "lora.alpha=8", "policy.learning_rate=1e-2")


def test_an_adapter_learns_on_the_model_it_began_with_and_resumes_to_the_same_bits(place, tmp_path):
    straight = train(tmp_path / "straight", place / "grpo.toml", *LORA)
    run = train(tmp_path / "run", place / "grpo.toml", *LORA, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)

    first, *_, last = read_metrics(run.path / "metrics.jsonl")
    assert first["kl"] < 1e-6 < last["kl"]  # the reference is the model without the adapter
    begun, merged = (load_file(folder / "model.safetensors") for folder in (place / "model", run.path / "model"))
    changed = {name for name in begun if not begun[name].equal(merged[name])}
    assert changed and all("_proj" in name for name in changed)
    assert json.loads((run.path / "model/adapter/adapter_config.json").read_text())["r"] == 4


def test_an_engine_draws_from_what_the_adapter_is_merged_into(place, tmp_path):
    run = train(tmp_path / "run", place / "grpo.toml", *LORA)
    for line in read_metrics(run.path / "metrics.jsonl"):
        assert line["sampling/sampling_logp_difference/max"] < 1e-4


@pytest.mark.parametrize("setting", ["policy.dtype=bfloat16", "policy.recompute_layers=true"])
def test_memory_is_saved_and_a_resume_is_exact(place, tmp_path, setting):
    straight = train(tmp_path / "straight", place / "grpo.toml", setting)
    run = train(tmp_path / "run", place / "grpo.toml", setting, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)


HELD = (
    ("objective.reference_every=1", "objective.reference_mixing=0.5"),
    ("objective.reference_every=3", "policy.minibatches=2", "policy.epochs=2", "policy.dtype=bfloat16"),
    ("objective.entropy_step=0.005", "objective.entropy_target=9", "objective.entropy_bonus=0.01"),
    ("objective.correction=truncate_token", "objective.kl_place=reward", "policy.epochs=2"),
    ("objective.focus=top_entropy", "objective.stale_negatives=0.5", "objective.correction=mask_sequence", *LORA),
)


@pytest.mark.parametrize("settings", HELD, ids=lambda settings: settings[0])
def test_what_an_objective_holds_between_steps_is_resumed(place, tmp_path, settings):
    straight = train(tmp_path / "straight", place / "grpo.toml", *settings)
    run = train(tmp_path / "run", place / "grpo.toml", *settings, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path)


def test_no_reference_is_loaded_where_nothing_is_held_to_it(place, tmp_path, monkeypatch):
    loaded, load_model = [], origin.load_model
    monkeypatch.setattr(origin, "load_model", lambda *args, **how: loaded.append(args) or load_model(*args, **how))
    train(tmp_path / "held", place / "grpo.toml", "steps=0")
    assert len(loaded) == 2
    train(tmp_path / "free", place / "grpo.toml", "steps=0", "objective.kl=0")
    assert len(loaded) == 3


def test_recomputed_layers_change_nothing(place, tmp_path, monkeypatch):
    """Next to layers that are the model's own, as recomputed ones are: those written by hand round otherwise."""
    monkeypatch.setattr(FastBody, "knows", staticmethod(lambda model: False))
    kept = train(tmp_path / "kept", place / "grpo.toml", "policy.processes=1")
    recomputed = train(tmp_path / "run", place / "grpo.toml", "policy.processes=1", "policy.recompute_layers=true")
    assert weights(recomputed.path) == weights(kept.path)


def test_what_cannot_go_together_is_refused():
    with pytest.raises(ValueError, match=r"reference_every moves the reference"):
        load_recipe(overrides=["lora.rank=4", "objective.reference_every=10"])
    with pytest.raises(ValueError, match=r"below the group size"):
        load_recipe(overrides=["advantage.estimator=pass_at_k", "advantage.k=8"])
    with pytest.raises(ValueError, match=r'kl_place="reward" would change it'):
        load_recipe(overrides=["advantage.estimator=gdpo", "objective.kl_place=reward"])
    with pytest.raises(ValueError, match=r"the mean of the rewards, and objective.overlong_share would change it"):
        load_recipe(overrides=["advantage.estimator=maxrl", "objective.name=dapo"])
    with pytest.raises(ValueError, match=r"one update\D+raise policy.minibatches"):
        load_recipe(overrides=["objective.focus=kl_cov", "objective.focus_share=2e-4"])
    with pytest.raises(ValueError, match=r"does not divide the 48 demonstrations"):
        load_recipe(overrides=["stage=sft", "sft.examples_per_step=48", "policy.minibatches=5"])


@pytest.mark.parametrize("settings", [("policy.optimizer=adamw8bit",), (*LORA, "lora.quantised=true")])
def test_eight_bit_moments_and_a_quantised_base_learn_by_a_recipe_and_resume_to_the_same_bits(
    place, tmp_path, settings
):
    pytest.importorskip("bitsandbytes")
    straight = train(tmp_path / "straight", place / "grpo.toml", *settings)
    run = train(tmp_path / "run", place / "grpo.toml", *settings, "steps=2")
    resume(run.path, f"steps={STEPS}")
    assert weights(run.path) == weights(straight.path) != (place / "model/model.safetensors").read_bytes()
