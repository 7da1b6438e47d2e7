import re

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from groupthink.model.chat import Chat
from groupthink.recipe import load_recipe
from groupthink.run.lines import read_lines
from groupthink.run.metrics import read_metrics
from groupthink.stage.evaluate import evaluate_model
from tests.stage.conftest import STEPS, train

TRL = {
    "loss", "grad_norm", "learning_rate", "entropy", "kl", "num_tokens",
    "reward", "reward_std", "frac_reward_zero_std",
    "clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean",
    "completions/mean_length", "completions/min_length", "completions/max_length",
    "completions/clipped_ratio", "completions/mean_terminated_length",
    "sampling/sampling_logp_difference/mean", "sampling/sampling_logp_difference/max",
}  # fmt: skip


@pytest.fixture
def lines(finished):
    return read_metrics(finished.path / "metrics.jsonl")


def test_the_files_of_a_run_are_those_of_the_design(finished):
    names = {file.name for file in finished.path.iterdir()}
    assert names == {
        *("recipe.toml", "events.jsonl", "metrics.jsonl", "summary.json"),
        *("rollouts", "evaluations", "checkpoints", "model"),
    }
    assert {file.name for file in (finished.path / "checkpoints").iterdir()} == {
        *("step-000000", f"step-{STEPS - 1:06d}", f"step-{STEPS:06d}")  # the first, and the last two
    }
    assert {file.name for file in (finished.path / "rollouts").iterdir()} == {
        f"step-{step:06d}.parquet" for step in range(STEPS)
    }
    assert {file.stem for file in (finished.path / "evaluations").iterdir()} == {"before", "after"}
    assert "pass@1" in (finished.path / "model/README.md").read_text(encoding="utf-8")
    events = [line["event"] for line in read_lines(finished.path / "events.jsonl")]
    # Responses of a model that knows nothing are cut, which a run says in its first step.
    assert events == ["started", "checkpoint", "finding", *["checkpoint"] * STEPS, "finished"]


def test_a_step_leaves_figures_by_trl_s_names(lines):
    assert [line["step"] for line in lines] == list(range(STEPS))
    for line in lines:
        assert line.keys() >= TRL
        timed = {name.removeprefix("time/") for name in line if name.startswith("time/")}
        assert timed == {"generate", "score", "learn", "sync"}
        assert all(np.isfinite(value) for value in line.values())
        names = [re.fullmatch(r"rewards/(.*)/mean", name) for name in line]
        assert [name[1].rpartition("/")[2] for name in names if name] == [
            *("accuracy", "format", "brevity", "rewards.py:letters")
        ]


def test_the_learner_finds_the_log_probabilities_that_were_sampled(lines):
    for line in lines:
        assert line["sampling/sampling_logp_difference/max"] < 5e-5
        assert line["ratio/max"] == pytest.approx(1, abs=1e-4)
        assert line["clip_ratio/region_mean"] == 0


def test_the_policy_leaves_its_reference_as_soon_as_it_learns(lines):
    assert lines[0]["kl"] < 1e-8 < lines[1]["kl"]
    assert all(line["grad_norm"] > 0 for line in lines)


def test_every_token_of_a_response_is_in_the_table(finished, lines):
    for step, line in enumerate(lines):
        rows = parquet.read_table(finished.path / f"rollouts/step-{step:06d}.parquet").to_pylist()
        assert len(rows) == 6 and len({row["problem"] for row in rows}) == 2
        for row in rows:
            columns = ("sampled", "version", "logprobs", "learner_logprobs", "reference_logprobs", "entropies")
            assert {len(row[name]) for name in columns} == {len(row["token_ids"])}
            assert set(row["version"]) == {step}
        assert np.mean([row["reward"] for row in rows]) == pytest.approx(line["reward"])
        assert np.mean([len(row["token_ids"]) for row in rows]) == pytest.approx(line["completions/mean_length"])
        for name in ("reward", "advantage"):
            values_PG = np.array([row[name] for row in rows]).reshape(2, 3)
            centred_PG = values_PG - values_PG.mean(axis=1, keepdims=True)
            np.testing.assert_allclose([row["advantage"] for row in rows], centred_PG.ravel(), atol=1e-6)


def test_the_trained_model_is_an_ordinary_one(finished, place):
    """It loads without our attention, and it is not the one that training began with."""
    folder = finished.path / "model"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    first = AutoModelForCausalLM.from_pretrained(place / "model")
    ids = torch.from_numpy(Chat(tokenizer).encode("Solve x^2-5x+6=0"))[None]
    assert not torch.allclose(model(ids).logits, first(ids).logits, atol=1e-3)
    zeroth = AutoModelForCausalLM.from_pretrained(finished.path / "checkpoints/step-000000")
    assert torch.equal(zeroth(ids).logits, first(ids).logits)
    assert model.generate(ids, max_new_tokens=3, min_new_tokens=3).shape == (1, ids.shape[1] + 3)


def test_whoever_generates_with_it_samples_as_in_training(finished):
    said = GenerationConfig.from_pretrained(finished.path / "model")
    assert (said.do_sample, said.temperature, said.max_new_tokens) == (True, 0.8, 24)  # the recipe's
    assert (said.top_p, said.top_k, said.eos_token_id) == (1.0, 0, 1)
    model = AutoModelForCausalLM.from_pretrained(finished.path / "model")
    ids = torch.ones((1, 3), dtype=torch.long)
    assert model.generate(ids).shape[1] <= 3 + 24


def test_a_run_is_evaluated_as_it_was_trained(finished):
    figures = evaluate_model(str(finished.path), problems=3, samples=2)
    assert figures["problems"] == 3 and figures["samples"] == 2
    assert figures["length"] <= 24  # the recipe's max_tokens
    assert figures == finished.read_evaluation("after").figures


def test_a_run_in_bf16_is_evaluated_in_bf16(place, tmp_path):
    run = train(tmp_path / "run", place / "grpo.toml", "steps=1", "policy.dtype=bfloat16")
    assert evaluate_model(str(run.path), problems=3, samples=2) == run.read_evaluation("after").figures


def test_the_recipe_in_a_run_says_what_was_measured(place, tmp_path):
    run = train(tmp_path / "run", place / "grpo.toml", "steps=0", "rollout.processes=1", "policy.threads=0")
    assert load_recipe(run.path / "recipe.toml").policy.threads >= 1


def test_a_reward_that_can_be_had_is_learned(place, tmp_path):
    """Responses that end sooner earn more, and soon they do end sooner."""
    recipe = tmp_path / "short.toml"
    text = (place / "grpo.toml").read_text().replace("rewards.py:letters", "rewards.py:short")
    recipe.write_text(text)
    settings = ["steps=16", "task.problems_per_step=4", "rollout.group_size=8", "checkpoint_every=16"]
    settings += ["policy.learning_rate=1e-2", "objective.kl=0.0", "reward.format=0.0"]
    run = train(tmp_path / "run", recipe, *settings)
    rewards = [line["reward"] for line in read_metrics(run.path / "metrics.jsonl")]
    assert np.mean(rewards[-4:]) > np.mean(rewards[:4]) + 4, rewards  # tokens


@pytest.mark.fault("F14")
def test_a_run_whose_updates_are_not_finite_ends_with_the_responses_to_blame_on_record(place, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def broken(tokens, settings):\n    return tokens.logprobs_M * float('nan')\n")
    with pytest.raises(FloatingPointError, match="response 1 to problem 1 of this step") as found:
        train(tmp_path / "run", place / "grpo.toml", f"objective.surrogate={own}:broken")
    rollouts = sorted((tmp_path / "run/rollouts").iterdir())
    assert [file.stem for file in rollouts] == ["step-000000", "step-000001", "step-000002"]
    assert parquet.read_table(rollouts[-1])["response"][0].as_py() == 0
    assert [line["skipped_updates"] for line in read_metrics(tmp_path / "run/metrics.jsonl")] == [1, 2, 3]
    assert "of this step, 2, are in" in found.value.__notes__[0]
    assert "checkpoints/step-000002)" in found.value.__notes__[0]
    saved = [file.read_bytes() for file in sorted((tmp_path / "run/checkpoints").glob("*/model.safetensors"))]
    assert len(saved) == 3 and set(saved) == {(place / "model/model.safetensors").read_bytes()}


def test_a_run_measures_at_its_first_start_and_writes_down_what_it_found(place, tmp_path, monkeypatch):
    monkeypatch.setattr("groupthink.stage.workshop.find_processes", lambda model: 2)
    monkeypatch.setattr("groupthink.rollout.open.find_processes", lambda model: 2)
    monkeypatch.setattr("groupthink.stage.workshop.fastest", lambda *_: 1)
    run = train(tmp_path / "run", place / "grpo.toml", "rollout.processes=0", "policy.processes=0", "steps=1")
    assert run.recipe.rollout.processes == run.recipe.policy.processes == 1
