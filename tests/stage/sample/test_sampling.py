"""The stage with nano itself, whose data set is read by others, imitated, and made again after a kill."""

import json
import signal
from collections import Counter

import pyarrow.parquet as parquet
import pytest

from groupthink.model.chat import Chat
from groupthink.model.demonstrations import encode_demonstrations
from groupthink.model.loading import load_tokenizer, weights_here
from groupthink.model.settings import ChatSettings
from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.versions import data_version, version_of
from groupthink.stage.sample.card import data_card
from groupthink.stage.sample.dataset import front_matter
from groupthink.stage.settings import SftSettings
from groupthink.stage.sft import demonstrations
from groupthink.task import open_task
from groupthink.task.settings import TaskSettings
from tests.stage.conftest import resume, to_the_end, train
from tests.stage.test_resume import die_at

SAMPLE = """\
stage = "sample"
model = "nano"
seed = 3

[task]
problems_per_step = 8

[rollout]
processes = 1
max_tokens = 120

[sample]
problems = 20
responses = 4
keep = 2
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    path = tmp_path_factory.mktemp("sample") / "sample.toml"
    path.write_text(SAMPLE)
    return path


@pytest.fixture(scope="module")
def sampled(recipe, tmp_path_factory) -> Run:
    return train(tmp_path_factory.mktemp("runs") / "sampled", recipe)


def rows_of(run: Run) -> list[dict]:
    return parquet.read_table(run.path / "data/train.parquet").to_pylist()


def test_every_problem_is_asked_once_and_every_response_is_accounted_for(sampled):
    drawn = [row for step in range(3) for row in sampled.rollouts(step)]
    counts = Counter(row["problem"] for row in drawn)
    task = open_task("quadratics", 3)
    assert list(counts) == [problem.id for problem in task.sample(0, 20)] and set(counts.values()) == {4}
    figures = json.loads((sampled.path / "summary.json").read_text())
    assert figures["sampled"] == 80 == figures["kept"] + sum(figures["dropped"].values())
    assert figures["right"] == sum(row["parts"]["accuracy"] == 1 for row in drawn)
    assert figures["kept"] == len(rows_of(sampled)) > 10
    assert figures["tokens"] == sum(len(row["token_ids"]) for row in drawn)
    assert figures["steps"] == 3
    lines = [json.loads(line) for line in (sampled.path / "metrics.jsonl").read_text().splitlines()]
    so_far = [sum(len(row["token_ids"]) for row in drawn[: 32 * (step + 1)]) for step in range(3)]
    assert [line["num_tokens"] for line in lines] == so_far


def test_rows_say_what_was_written_and_by_whom(sampled):
    drawn = {row["seed"]: row for step in range(3) for row in sampled.rollouts(step)}
    rows = rows_of(sampled)
    assert max(Counter(row["id"] for row in rows).values()) == 2
    for row in rows:
        response = drawn[row["seed"]]
        assert row["completion"] == [{"role": "assistant", "content": response["text"]}]
        reasoning, _, answer = response["text"].removeprefix("<think>").partition("</think>")
        asked, said = row["messages"]
        assert said == {"role": "assistant", "content": answer.strip(), "reasoning_content": reasoning.strip()}
        assert asked == {"role": "user", "content": response["prompt"], "reasoning_content": None}
        assert (row["id"], row["answer"]) == (response["problem"], response["expected"])
        assert (row["score"], row["parts"]) == (response["reward"], response["parts"])
        assert (
            row["tokens"] == len(response["token_ids"]) and row["policy"] == f"nano@{version_of(weights_here('nano'))}"
        )


def test_the_data_set_is_read_by_datasets_as_it_is_and_once(sampled, tmp_path):
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(sampled.path / "data"), cache_dir=str(tmp_path))
    assert list(loaded) == ["train"] and loaded["train"].to_list() == rows_of(sampled)
    lines = (sampled.path / "data/train.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows_of(sampled)


def test_datasets_does_not_take_what_it_has_kept_of_another_folder(sampled, tmp_path):
    datasets = pytest.importorskip("datasets")
    other = tmp_path / "other/data"
    other.mkdir(parents=True)
    parquet.write_table(parquet.read_table(sampled.path / "data/train.parquet").slice(0, 2), other / "train.parquet")
    (other / "README.md").write_text(front_matter("data", 2, data_version(other)))
    for folder, rows in ((sampled.path / "data", len(rows_of(sampled))), (other, 2)):
        assert len(datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]) == rows


def test_the_card_has_the_counts_and_the_rules(sampled):
    card = (sampled.path / "data/README.md").read_text()
    figures = json.loads((sampled.path / "summary.json").read_text())
    for reason, count in figures["dropped"].items():
        assert f"| {reason} | {count} |" in card
    assert f"| **kept** | {figures['kept']} |" in card and figures["policy"] in card
    assert "2 better ones of its problem" in card and "`mixed`" not in card  # which is off


def test_the_card_counts_what_was_compared_and_tells_of_no_filter_that_is_off(sampled):
    figures = json.loads((sampled.path / "summary.json").read_text())
    card = (sampled.path / "data/README.md").read_text()
    assert figures["held_out"] == 1000 and "compared with 1,000 of them" in card  # of a task without end
    assert "- `repetitive`" in card
    off = load_recipe(sampled.path / "recipe.toml", ["sample.repeated=1.0"])
    assert "- `repetitive`" not in data_card("off", off, figures)


@pytest.mark.parametrize("opening", ["", "<think>"])
def test_what_is_imitated_is_what_was_drawn_token_by_token(sampled, opening):
    """In the first epochs of the data set; and where another chat's prompt opens the reasoning, from there on."""
    task = open_task(f"data:{sampled.path / 'data'}", settings=TaskSettings(held_out=0.01))
    settings = SftSettings((task.name,), (1.0,), examples_per_step=task.size)
    chat = Chat(load_tokenizer("nano"), ChatSettings(open_think=bool(opening)))
    shown = [one for epoch in range(2) for one in demonstrations([task], settings, 0, epoch, 2)]
    prompts, responses = encode_demonstrations(chat, shown)
    drawn = {}
    kept = {(row["messages"][0]["content"], row["completion"][0]["content"]): row["seed"] for row in rows_of(sampled)}
    for step in range(3):
        drawn |= {row["seed"]: row for row in sampled.rollouts(step)}
    seen = set()
    for (prompt, text), prompt_ids, token_ids in zip(shown, prompts, responses, strict=True):
        row = drawn[kept[prompt[0]["content"], text]]
        seen.add(row["seed"])
        if opening:
            assert token_ids.tolist() == row["token_ids"][1:]
        else:
            assert token_ids.tolist() == row["token_ids"] and prompt_ids.tolist() == row["prompt_ids"]
    held = {problem.prompt[0]["content"] for problem in task.held_out(99)}
    assert seen == {seed for (prompt, _), seed in kept.items() if prompt not in held}  # two epochs show all of two


def test_a_chain_that_the_prompt_began_is_whole_in_the_data_set(recipe, tmp_path):
    words = ("chat.open_think=true", "sample.problems=8", "sample.keep=0")
    run = train(tmp_path / "run", recipe, *words)
    drawn = {row["seed"]: row for row in run.rollouts(0)}
    for row in rows_of(run):
        assert row["completion"][0]["content"] == "<think>" + drawn[row["seed"]]["text"]
    chat = Chat(load_tokenizer("nano"), run.recipe.chat)
    shown = [(row["prompt"][0]["content"], row["completion"][0]["content"]) for row in rows_of(run)]
    for row, token_ids in zip(rows_of(run), encode_demonstrations(chat, shown)[1], strict=True):
        assert token_ids.tolist() == drawn[row["seed"]]["token_ids"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_a_killed_run_ends_with_the_same_data_set(sampled, recipe, tmp_path):
    path = tmp_path / "sampled"  # of the same name, which the card tells
    die_at("rollouts/.writing-step-000001", path, recipe)
    assert not (path / "data").exists()
    die_at(".writing-data", path, recipe)
    again = resume(path)
    for file in ("train.parquet", "train.jsonl", "README.md"):
        assert (path / "data" / file).read_bytes() == (sampled.path / "data" / file).read_bytes(), file
    told = [json.loads((run.path / "summary.json").read_text()) for run in (again, sampled)]
    assert told[0] == told[1]


def test_a_model_that_is_another_by_now_is_refused(place, recipe, tmp_path):
    words = (f"model={place / 'model'}", "rollout.max_tokens=8", "sample.problems=8", "sample.responses=1")
    run = train(tmp_path / "run", recipe, *words)
    (run.path / "summary.json").unlink()
    (run.path / "checkpoints/step-000001/policy.json").write_text('{"policy": "model@00000000"}\n')
    manifest = json.loads((run.path / "checkpoints/step-000001/complete.json").read_text())
    assert list(manifest["files"]) == ["policy.json"]  # no weights, no optimizer
    other = Run.create(tmp_path / "other", run.recipe)
    other.checkpoint(1, lambda folder: (folder / "policy.json").write_text('{"policy": "model@00000000"}\n'))
    other.close()
    with pytest.raises(ValueError, match="has changed since this run began"):
        resume(other.path)


def test_what_cannot_be_sampled_from_is_refused(recipe, tmp_path):
    rows = "".join(json.dumps({"question": f"{i}+{i}?", "answer": str(2 * i)}) + "\n" for i in range(30))
    (tmp_path / "sums.jsonl").write_text(rows)
    asked = load_recipe(recipe, [f"task.data={tmp_path / 'sums.jsonl'}", "sample.problems=31"])
    with pytest.raises(ValueError, match=r"sample\.problems is 31"), Run.create(tmp_path / "run", asked) as run:
        to_the_end(run)
    with pytest.raises(ValueError, match=r"task\.unlabelled withholds the answers"):
        load_recipe(recipe, ["task.unlabelled=true"])
    with pytest.raises(ValueError, match="its data set is in"):
        finished = Run.create(tmp_path / "done", load_recipe(recipe))
        finished.finish({"steps": 3})
        Run.resume(tmp_path / "done")


def test_a_run_has_as_many_steps_as_its_problems_take(recipe):
    assert load_recipe(recipe, ["sample.problems=25", "steps=7"]).steps == 4
    assert load_recipe(recipe, ["stage=grpo", "steps=7"]).steps == 7


def test_nothing_kept_is_said_and_makes_a_data_set_without_rows(place, recipe, tmp_path, capsys):
    words = (f"model={place / 'model'}", "rollout.max_tokens=8", "sample.problems=8", "sample.responses=1")
    run = train(tmp_path / "run", recipe, *words)
    assert rows_of(run) == [] and "Nothing was kept" in capsys.readouterr().out
    assert json.loads((run.path / "summary.json").read_text())["kept"] == 0
