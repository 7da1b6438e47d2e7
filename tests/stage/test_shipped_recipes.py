"""The recipes for larger models train as they stand: a small model of the same architecture, on data of the same form.

Changed are the model and the place of the data, sizes, and what takes a GPU or another installation; and a reward is
added that a model which knows nothing earns, too, so that there is something to learn.
"""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from groupthink import cli
from groupthink.model.chat import R1_ZERO, Chat
from groupthink.pipeline.forecast import forecast
from groupthink.pipeline.reading import has_stages, load_pipeline
from groupthink.recipe import bundled, load_recipe
from groupthink.run.metrics import read_metrics
from groupthink.stage.evaluate import evaluate_model
from groupthink.stage.pipeline import require_stages
from tests.here import work_here
from tests.qwen_like import build_tokenizer, save_model
from tests.stage.conftest import train, weights

SMALLER = (
    *("steps=2", "task.problems_per_step=2", "rollout.group_size=4", "rollout.max_tokens=24"),
    *("evaluate.problems=2", "evaluate.samples=1", "evaluate.base_samples=2"),
    # Without vLLM, on two cores, and with the moments of AdamW that need no bitsandbytes.
    *("rollout.engine=torch", "policy.optimizer=adamw"),
    *("rollout.processes=1", "policy.processes=1", "policy.threads=1"),
)
BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


@pytest.fixture(scope="module")
def gsm8k(tmp_path_factory) -> str:
    """A folder as the hub has it: worked answers that mark their sums, and the result after four hashes."""
    folder = tmp_path_factory.mktemp("gsm8k") / "main"
    folder.mkdir()
    for split, first in (("train", 0), ("test", 100)):
        bought = range(first + 3, first + 23)
        rows = {
            "question": [f"Ann buys {n} boxes of 12 eggs, and 3 break. How many eggs are whole?" for n in bought],
            "answer": [
                f"Ann has {n} * 12 = <<{n}*12={12 * n}>>{12 * n} eggs.\n"
                f"Whole are {12 * n} - 3 = <<{12 * n}-3={12 * n - 3}>>{12 * n - 3:,} eggs.\n#### {12 * n - 3:,}"
                for n in bought
            ],
        }
        parquet.write_table(pa.table(rows), folder / f"{split}-00000-of-00001.parquet")
    return folder.as_posix()


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, str]:
    """A folder for each architecture."""
    return {kind: save_model(tmp_path_factory.mktemp(kind), kind) for kind in ("qwen3", "qwen2")}


def trained(place, folder: Path, name: str, *settings: str):
    """The run of a recipe, and the rows of its first step."""
    letters = f'reward."{place.as_posix()}/rewards.py:letters"=1.0'
    run = train(folder / "run", Path(name), *SMALLER, letters, *settings)
    lines = read_metrics(run.path / "metrics.jsonl")
    assert len(lines) == 2 and all(line["grad_norm"] > 0 for line in lines)
    assert weights(run.path) != (run.path / "checkpoints/step-000000/model.safetensors").read_bytes()
    return run, parquet.read_table(run.path / "rollouts/step-000000.parquet").to_pylist()


def asked(row) -> str:
    return build_tokenizer().decode(row["prompt_ids"])


@pytest.mark.parametrize("name", bundled())
def test_every_recipe_that_comes_along_is_one(name):
    every = [stage.recipe for stage in load_pipeline(name).stages] if has_stages(name) else [load_recipe(name)]
    assert all(recipe.steps > 0 for recipe in every)


def test_r1_is_made_from_whatever_model_is_named():
    pipeline = load_pipeline("r1", ["model=./mine"])
    assert {forecast(pipeline, number).model for number in range(len(pipeline.stages))} == {"./mine"}
    assert pipeline.last_model.name == "final"
    assert (
        len({stage.recipe.task.own_splits for stage in pipeline.stages}) == 1
    )  # all are measured by the same problems
    assert len({stage.recipe.evaluate for stage in pipeline.stages}) == 1


def test_rounds_go_on_from_one_another():
    pipeline = load_pipeline("iterate", ["model=./mine"])
    taken = {stage.name: stage.recipe.model for stage in pipeline.stages if stage.name.startswith("zero")}
    assert taken == {"zero": "./mine", "zero-2": "stage:tuned", "zero-3": "stage:tuned-2"}
    assert [pipeline[name].recipe.sft.tasks for name in ("tuned", "tuned-3")] == [
        ("stage:chains",),
        ("stage:chains-3",),
    ]
    assert len({stage.recipe.seed for stage in pipeline.stages}) == 3


def test_r1_for_a_gpu_is_ready_where_model_and_data_are(models, gsm8k):
    model = models["qwen3"]
    few = ("rollout.max_tokens=60", "rollout.engine=torch", "evaluate.problems=4")
    words = [f"model={model}", f"student.model={model}", f"task.data={gsm8k}", *few]
    with pytest.raises(ValueError, match=r"sample\.problems is 1500, and data has 20") as raised:
        require_stages(load_pipeline("r1-qwen3", words), print)
    assert raised.value.__notes__ == ["so it is for stage cold-data, 2 of 8"]
    words += [
        f"{stage}.{word}" for stage in ("cold-data", "data") for word in ("sample.problems=20", "require=kept>=5")
    ]
    pipeline, told = load_pipeline("r1-qwen3", words), []
    require_stages(pipeline, told.append)
    assert [stage.name for stage in pipeline.stages][-1] == "final" and told  # how the data was read
    by_rewards = [stage.recipe for stage in pipeline.stages if stage.kind == "grpo"]
    for recipe in by_rewards:  # DeepSeek-R1's, arXiv 2501.12948v2
        assert (recipe.policy.learning_rate, recipe.objective.kl, recipe.rollout.group_size) == (3e-6, 0.001, 16)
        assert recipe.objective.clip_high == 10 and recipe.objective.reference_every == 400
    assert [recipe.rollout.temperature for recipe in by_rewards] == [1.0, 1.0, 0.7]


@pytest.mark.parametrize("name", ["qwen3-0.6b-gsm8k", "qwen3-1.7b-gsm8k"])
def test_qwen3_on_gsm8k(name, place, models, gsm8k, tmp_path):
    run, rows = trained(place, tmp_path, name, f"model={models['qwen3']}", f"task.data={gsm8k}")
    row = rows[0]
    question = row["prompt"]
    assert question.startswith("Ann buys ") and row["expected"].isdigit()
    assert asked(row) == f"<|im_start|>user\n{question}\n{BOXED}<|im_end|>\n<|im_start|>assistant\n"
    assert {row["problem"].split("/")[1] for row in rows} == {"train"}
    _, held_out = run.read_evaluation("after")
    assert all(int(row["prompt"].split()[2]) >= 103 for row in held_out)
    card = (run.path / "model/README.md").read_text()
    assert "'Solve x^2-5x+6=0\\n'\n    'Please reason step by step" in card


def test_countdown_with_a_base_model(monkeypatch, place, models, tmp_path):
    pytest.importorskip("reasoning_gym", reason="pip install 'groupthink[gym]'")
    work_here(monkeypatch)
    monkeypatch.setattr("groupthink.task.lookahead.SLOW", float("inf"))  # in this process nothing is ready earlier
    _, rows = trained(place, tmp_path, "countdown-3b", f"model={models['qwen2']}")
    row = rows[0]
    assert asked(row).startswith(f"{R1_ZERO}\nUser: {row['prompt']}\nShow your work in <think> </think> tags")
    assert asked(row).endswith("expression alone.\nAssistant: <think>\n")  # though the tokenizer has a chat template
    assert len(asked(row).split()) < 350 / 1.5  # a word is about a token and a third
    assert row["task"] == "gym:countdown" and {"accuracy", "format"} <= set(row["parts"])


def test_an_evaluation_takes_the_words_of_the_run_unless_another_template_is_named(
    place, models, gsm8k, tmp_path, monkeypatch
):
    run, _ = trained(place, tmp_path, "qwen3-0.6b-gsm8k", f"model={models['qwen3']}", f"task.data={gsm8k}")
    words, encode = [], Chat.encode

    def noting(chat, prompt):
        words.append(chat.render(prompt))
        return encode(chat, prompt)

    monkeypatch.setattr(Chat, "encode", noting)
    for template in (None, "plain"):
        words.clear()
        evaluate_model(str(run.path), problems=1, samples=1, max_tokens=4, template=template)
        assert BOXED in words[-1]
        assert words[-1].startswith("<|im_start|>user\nAnn" if template is None else R1_ZERO)


def test_a_dry_run_shows_in_which_words_the_model_is_asked(models, gsm8k, capsys, tmp_path):
    words = ["train", "--dry-run", "qwen3-0.6b-gsm8k", f"model={models['qwen3']}", f"task.data={gsm8k}"]
    assert cli.main(words) == 0
    out = capsys.readouterr().out
    assert f"#     {BOXED}<|im_end|>\n#     <|im_start|>assistant\n#\n#\n# A step: 32 problems x 8" in out
    (tmp_path / "mine.toml").write_text(out)
    assert load_recipe(tmp_path / "mine.toml") == load_recipe("qwen3-0.6b-gsm8k", words[3:])
    assert cli.main([*words, "chat.thinking=off", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prompt"].endswith("assistant\n<think>\n\n</think>\n\n")


def test_a_dry_run_needs_neither_the_model_nor_the_hub_for_problems_that_are_made(monkeypatch, capsys):
    pytest.importorskip("reasoning_gym", reason="pip install 'groupthink[gym]'")
    work_here(monkeypatch)
    assert cli.main(["train", "--dry-run", "countdown-3b"]) == 0
    out = capsys.readouterr().out
    assert "# A step: 32 problems x 8 responses" in out and "asked a problem so" not in out


def test_a_dry_run_says_which_data_set_could_not_be_had(monkeypatch, capsys):
    datasets = pytest.importorskip("datasets", reason="pip install 'groupthink[data]'")

    def load_dataset(*_):
        raise ConnectionError("no way out")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert cli.main(["train", "--dry-run", "qwen3-1.7b-gsm8k"]) == 2
    assert "the data set openai/gsm8k:main could not be had from the hub: no way out" in capsys.readouterr().err
