import json
import shutil

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from transformers import AutoModelForCausalLM

from groupthink import cli
from groupthink.insight.report import read_report
from groupthink.model.loading import weights_here
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from groupthink.run.versions import version_of
from tests.qwen_like import save_model
from tests.stage.conftest import resume, to_the_end, train, weights
from tests.stage.test_resume import die_at
from tests.tiny import tiny

STEPS = 3
DISTILL = f"""\
stage = "distill"
model = '{{place}}/model'
steps = {STEPS}
seed = 5
checkpoint_every = 1

[task]
problems_per_step = 4

[rollout]
group_size = 3
max_tokens = 24
processes = 1

[distill]
teacher = '{{teacher}}'

[objective]
reduction = "token_mean"

[policy]
learning_rate = 1e-2
warmup_steps = 0
schedule = "constant"
processes = 1
threads = 1

[evaluate]
problems = 2
samples = 1
base_samples = 1
"""


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A model of three layers; the student has two."""
    folder = tmp_path_factory.mktemp("teacher")
    tiny("qwen3", seed=1, num_hidden_layers=3).save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def recipe(place, teacher, tmp_path_factory):
    file = tmp_path_factory.mktemp("recipe") / "distill.toml"
    file.write_text(DISTILL.format(place=place.as_posix(), teacher=teacher.as_posix()))
    return file


@pytest.fixture(scope="module")
def distilled(recipe, tmp_path_factory):
    """A run that was never stopped. Not to be changed."""
    return train(tmp_path_factory.mktemp("runs") / "distilled", recipe)


def test_a_step_leaves_the_divergence_beside_the_usual_figures(distilled):
    for line in read_metrics(distilled.path / "metrics.jsonl"):
        assert {"rewards/accuracy/mean", "entropy", "completions/mean_length", "num_tokens", "kl"} <= line.keys()
        assert line["distill/reverse_kl"] > 0 and line["grad_norm"] > 0
        assert line["sampling/sampling_logp_difference/max"] < 5e-5
        timed = {name.removeprefix("time/") for name in line if name.startswith("time/")}
        assert timed == {"generate", "score", "learn", "sync"}


def test_the_report_has_the_course_of_the_divergence(distilled):
    stage = read_report(distilled.path).stages[-1]
    lines = read_metrics(distilled.path / "metrics.jsonl")
    assert stage.course.curves["reverse_kl"] == tuple(line["distill/reverse_kl"] for line in lines)


def test_every_token_is_in_the_table_with_what_student_and_teacher_made_of_it(distilled, teacher):
    line, rows = read_metrics(distilled.path / "metrics.jsonl")[0], []
    rows = parquet.read_table(distilled.path / "rollouts/step-000000.parquet").to_pylist()
    assert len(rows) == 12
    judge = AutoModelForCausalLM.from_pretrained(teacher)
    for row in rows:
        its = np.array(row["reference_logprobs"])
        np.testing.assert_allclose(row["advantages"], its - np.array(row["logprobs"]), atol=1e-5)
        assert row["advantage"] == pytest.approx(np.mean(row["advantages"]), abs=1e-5)
        ids, asked = torch.tensor([row["prompt_ids"] + row["token_ids"]]), len(row["prompt_ids"])
        law = judge(ids).logits[0, asked - 1 : -1].log_softmax(-1)
        np.testing.assert_allclose(its, law[range(len(its)), row["token_ids"]].detach(), atol=1e-4)
    assert rows[0]["change"] is not None
    every = np.concatenate([row["advantages"] for row in rows])
    assert line["distill/reverse_kl"] == pytest.approx(-every.mean(), rel=1e-5)


def test_a_student_comes_nearer_to_its_teacher(recipe, tmp_path):
    run = train(tmp_path / "run", recipe, "steps=20", "checkpoint_every=20", "task.problems_per_step=8")
    found = [line["distill/reverse_kl"] for line in read_metrics(run.path / "metrics.jsonl")]
    assert np.mean(found[-4:]) < 0.7 * np.mean(found[:4]), found


def test_a_student_that_is_its_own_teacher_stays_as_it_is(place, recipe, tmp_path):
    run = train(tmp_path / "run", recipe, f"distill.teacher={place.as_posix()}/model", "steps=2")
    for line in read_metrics(run.path / "metrics.jsonl"):
        assert line["grad_norm"] == line["loss"] == 0
        assert abs(line["distill/reverse_kl"]) < 1e-6
    assert weights(run.path) == (run.path / "checkpoints/step-000000/model.safetensors").read_bytes()


def test_a_run_that_was_killed_and_resumed_ends_as_one_that_was_not(recipe, distilled, tmp_path):
    run = tmp_path / "run"
    die_at("rollouts/.writing-step-000001", run, recipe)
    die_at("checkpoints/.writing-step-000003/", run, recipe)
    resume(run)
    assert weights(run) == weights(distilled.path)
    for found, expected in zip(*(read_metrics(one / "metrics.jsonl") for one in (run, distilled.path)), strict=True):
        assert {name: value for name, value in found.items() if not name.startswith("time/")} == {
            name: value for name, value in expected.items() if not name.startswith("time/")
        }


def test_a_teacher_that_has_changed_since_is_refused(recipe, teacher, tmp_path):
    moved = shutil.copytree(teacher, tmp_path / "teacher")
    run = train(tmp_path / "run", recipe, f"distill.teacher={moved.as_posix()}", "steps=1")
    tiny("qwen3", seed=2, num_hidden_layers=3).save_pretrained(moved)
    with pytest.raises(ValueError, match="has other weights than when"):
        resume(run.path, "steps=2")


def test_a_teacher_with_other_tokens_is_refused_before_a_run_is_begun(recipe, tmp_path, capsys):
    other = save_model(tmp_path / "other", "qwen3")
    assert cli.main(["train", str(recipe), f"distill.teacher={other}", "--run", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "have different tokens (" in said and 'stage="sft"' in said
    assert not (tmp_path / "run").exists()


def test_a_teacher_that_is_asked_in_other_words_is_refused(recipe, teacher, tmp_path):
    moved = shutil.copytree(teacher, tmp_path / "teacher")
    tokenizer = build_tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "<|assistant|>{%- endif", "<|user|><|assistant|>{%- endif"
    )
    tokenizer.save_pretrained(moved)
    asked = load_recipe(recipe, [f"distill.teacher={moved.as_posix()}", "steps=0"])
    with pytest.raises(ValueError, match=r'read the prompt .* as different tokens.*chat.template="plain"'):
        to_the_end(Run.create(tmp_path / "run", asked))
    plain = ["chat.template=plain", "chat.system=Solve it."]  # words in which both are asked alike
    asked = load_recipe(recipe, [f"distill.teacher={moved.as_posix()}", "steps=1", *plain])
    to_the_end(Run.create(tmp_path / "plain", asked))


def test_a_run_notes_which_weights_taught(distilled, teacher):
    (noted,) = distilled.events("teacher")
    assert noted["name"] == teacher.as_posix() and noted["version"] == version_of(weights_here(teacher))
    assert json.loads((distilled.path / "summary.json").read_text())["steps"] == STEPS
