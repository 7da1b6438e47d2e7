"""Stages that learn from the data sets of others. What they learn depends on the data alone, not on where it lies."""

import json
import shutil
import signal
from pathlib import Path

import pytest

from groupthink import cli
from groupthink.insight.report import read_report
from groupthink.insight.report.words import in_words
from groupthink.pipeline.forecast import forecast
from groupthink.pipeline.gate import SAMPLED, figures_of
from groupthink.pipeline.reading import load_pipeline
from groupthink.recipe import load_recipe
from groupthink.rollout.generate import generate
from groupthink.run.files import ASIDE
from groupthink.run.lines import read_lines
from groupthink.run.versions import weights_version
from groupthink.stage.sample import sampling
from groupthink.stage.sample.desk import policy_name
from groupthink.task import open_demonstrated, open_task
from tests.stage.conftest import weights
from tests.stage.test_resume import PATIENCE, die_at

STAGES = """\
model = "nano"
seed = 3
steps = 2

[task]
problems_per_step = 8

[rollout]
group_size = 3
max_tokens = 120
processes = 1

[policy]
processes = 1
threads = 1

[evaluate]
problems = 4
samples = 1
base_samples = 2

[[stages]]
name = "chains"
stage = "sample"
require = "kept >= 5"
[stages.sample]
problems = 16

[[stages]]
name = "cold"
stage = "sft"
[stages.sft]
tasks = ["arithmetic", "stage:chains"]
shares = [0.5, 0.5]
examples_per_step = 4

[[stages]]
name = "rl"
model = "stage:previous"
[stages.task]
name = "stage:chains"
problems_per_step = 2

[[stages]]
name = "student"
stage = "distill"
model = "stage:cold"
checkpoint_every = 1
[stages.task]
problems_per_step = 2
[stages.distill]
teacher = "stage:rl"
"""
MODELS = ["02-cold", "03-rl", "04-student"]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "data.toml"
    path.write_text(STAGES)
    return path


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert cli.main(["train", str(recipe), "--run", str(run)]) == 0
    return run


def test_what_a_stage_imitates_is_what_the_other_wrote(whole):
    recipe = load_recipe(whole / "stages/02-cold/recipe.toml")
    assert recipe.sft.tasks == ("arithmetic", "stage:chains")
    task = open_task("stage:chains", settings=recipe.task)
    rows = [json.loads(line) for line in (whole / "stages/01-chains/data/train.jsonl").read_text().splitlines()]
    written = {row["completion"][0]["content"] for row in rows}
    assert {task.demonstrate(problem, careful=True) for problem in task.sample(0, 16)} <= written


def test_a_gate_knows_every_figure_that_there_is(whole):
    assert set(figures_of(json.loads((whole / "stages/01-chains/summary.json").read_text()))) == set(SAMPLED)


def test_all_of_it_is_imitated(whole):
    recipe = load_recipe(whole / "stages/02-cold/recipe.toml")
    task = open_demonstrated("stage:chains", recipe.seed, recipe.task)
    rows = [json.loads(line) for line in (whole / "stages/01-chains/data/train.jsonl").read_text().splitlines()]
    assert task.size == len({row["prompt"][0]["content"] for row in rows})
    (event,) = [one for one in read_lines(whole / "stages/02-cold/events.jsonl") if one["event"] == "task"]
    assert event["notes"] == list(task.notes) and "all of it is imitated: no evaluation draws from it" in task.notes
    read = load_recipe(whole / "stages/03-rl/recipe.toml").task
    assert open_demonstrated("stage:chains", 3, read).size < task.size  # evaluations draw from it there


def test_the_report_says_which_held_out_problems_have_been_imitated(whole, tmp_path, capsys):
    """`rl` and `student` come from `cold`, which has imitated all of the data set that `rl` is evaluated on."""
    moved = shutil.copytree(whole, tmp_path / "moved")
    for run in (whole, moved):
        found = {stage.name: stage.evaluated for stage in read_report(run).stages}
        assert found["rl"].imitated == {"cold": found["rl"].problems} and found["rl"].problems > 0
        assert found["cold"].imitated == found["student"].imitated == {}  # evaluated on quadratics
    assert "held out from its model: cold has imitated answers to them." in " ".join(in_words(read_report(moved)))
    alone = read_report(whole / "stages/03-rl").stages[-1].evaluated
    assert alone.imitated == {"cold": alone.problems}


def test_cards_are_titled_by_the_stages_without_their_numbers(whole):
    for place, name in (("01-chains/data", "chains"), ("02-cold/model", "cold"), ("03-rl/model", "rl")):
        assert f"\n# {name}\n" in (whole / "stages" / place / "README.md").read_text()


def test_a_stage_that_samples_says_which_weights_as_the_report_does(whole):
    """Of a model that a stage made, by the stage's name."""
    version = weights_version(whole / "stages/02-cold")
    assert policy_name(f"{whole}/stages/02-cold/model") == f"cold/model@{version}"
    shown = {origin.source: origin.version for stage in read_report(whole).stages for origin in stage.origins}
    assert shown["cold"] == version


def test_problems_are_called_by_the_stage_and_not_by_the_place(whole):
    recipe = load_recipe(whole / "stages/03-rl/recipe.toml")
    assert open_task("stage:chains", settings=recipe.task).sample(0, 1)[0].id.startswith("stage:chains/train/")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.timeout(6 * PATIENCE)
def test_killed_in_each_stage_and_moved_it_ends_the_same(whole, recipe, tmp_path):
    run = tmp_path / "run"
    for file in (
        f"01-chains/rollouts/{ASIDE}step-000001",
        f"01-chains/{ASIDE}data/",
        f"02-cold/checkpoints/{ASIDE}step-000002/",
        f"03-rl/rollouts/{ASIDE}step-000001",
        f"04-student/checkpoints/{ASIDE}step-000001/",
        f"04-student/rollouts/{ASIDE}step-000001",
    ):
        die_at(file, run, recipe)
    moved = tmp_path / "elsewhere"
    shutil.move(run, moved)
    assert cli.main(["train", "--resume", "--run", str(moved)]) == 0
    for name in MODELS:
        assert weights(moved / "stages" / name) == weights(whole / "stages" / name)
    data = [(one / "stages/01-chains/data/train.jsonl").read_bytes() for one in (moved, whole)]
    assert data[0] == data[1]


def test_other_filters_choose_anew_from_what_was_drawn(whole, recipe, tmp_path, monkeypatch, capsys):
    run = shutil.copytree(whole, tmp_path / "run")
    chains, mine, batches = run / "stages/01-chains", tmp_path / "mine.toml", []
    mine.write_text(recipe.read_text().partition('[[stages]]\nname = "rl"')[0])
    drawn = {file.name: file.read_bytes() for file in (chains / "rollouts").iterdir()}
    monkeypatch.setattr(sampling, "generate", lambda *asked: batches.append(1) or generate(*asked))
    words = ["train", str(mine), "--resume", "--run", str(run)]
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    assert cli.main([*words, "chains.sample.keep=1", "--dry-run"]) == 0
    assert "stands: what is kept of it would be chosen anew" in capsys.readouterr().err
    assert before == {file: file.stat().st_mtime_ns for file in run.rglob("*")}
    # A gate that is missed, and then one that is not: nothing is drawn for either.
    assert cli.main([*words, "chains.sample.keep=1", "chains.require=kept>15"]) == 2
    assert "stands: what is kept of it is chosen anew" in capsys.readouterr().err
    assert cli.main([*words, "chains.sample.keep=1", "chains.require=kept_problems>0"]) == 0
    assert not batches and drawn == {file.name: file.read_bytes() for file in (chains / "rollouts").iterdir()}
    found, old = (json.loads((one / "stages/01-chains/summary.json").read_text()) for one in (run, whole))
    assert found["kept"] == found["kept_problems"] == old["kept_problems"] < old["kept"]
    assert found["sampled"] == old["sampled"] and load_recipe(chains / "recipe.toml").sample.keep == 1
    rows = [json.loads(line) for line in (chains / "data/train.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == found["kept"]
    assert sorted(place.name for place in (run / "stages").iterdir()) == [
        *("01-chains", "02-cold", "02-cold.replaced-1", "03-rl.replaced-1", "04-student.replaced-1")
    ]
    assert cli.main([*words, "chains.sample.responses=5", "chains.sample.keep=1"]) == 0
    assert len(batches) == 2 and (run / "stages/01-chains.replaced-1").is_dir()


def test_a_forecast_holds_the_problems_that_data_will_be_sampled_from(recipe):
    pipeline = load_pipeline(recipe)
    assert forecast(pipeline, 1).sft.tasks == ("arithmetic",) and forecast(pipeline, 1).sft.shares == (0.5,)
    assert forecast(pipeline, 2).task.names == ("quadratics",)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        (
            "cold.model=stage:chains",
            "asks for a model of stage 'chains', and it makes a data set: no stage before this one makes a model",
        ),
        (
            "rl.task.name=stage:cold",
            "asks for a data set of stage 'cold', and it makes a model: did you mean stage:chains?",
        ),
        ("rl.task.name=stage:chain", "did you mean stage:chains?"),
    ],
)
def test_models_and_data_are_not_mistaken_for_each_other(recipe, capsys, word, said):
    assert cli.main(["train", "--dry-run", str(recipe), word]) == 2
    assert said in capsys.readouterr().err


def test_a_stage_s_data_has_no_place_outside_a_pipeline():
    said = (
        "stage 'chains' of a pipeline wrote, and here is no pipeline: name its folder, as data:RUN/stages/NUMBER-chains"
    )
    with pytest.raises(ValueError, match=said):
        open_task("stage:chains")
