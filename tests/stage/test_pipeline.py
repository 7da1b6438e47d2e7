"""Several stages, one after the other: killed in any of them and resumed, they end with the same models."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from groupthink import cli
from groupthink.insight.report import read_report
from groupthink.pipeline.gate import EVALUATED, figures_of
from groupthink.pipeline.reading import load_pipeline
from groupthink.run.files import ASIDE
from groupthink.run.lines import read_lines
from groupthink.run.lock import LOCK, Lock
from groupthink.run.stages import recorded, standing_stages
from groupthink.run.versions import weights_version
from groupthink.stage.evaluate import recipe_of
from tests.stage.conftest import GRPO, weights
from tests.stage.test_resume import PATIENCE, die_at

STAGES = """
[sft]
examples_per_step = 2

[[stages]]
name = "zero"
steps = 2

[[stages]]
name = "cold"
stage = "sft"
model = "stage:zero"
steps = 3
require = "pass@1 >= 0 and length > 0"

[[stages]]
name = "rl"
model = "stage:previous"
steps = 2

[[stages]]
name = "look"
stage = "evaluate"
model = "stage:rl"
"""
PLACES = ["01-zero", "02-cold", "03-rl", "04-look"]
MODELS = PLACES[:3]


@pytest.fixture(scope="module")
def recipe(place) -> Path:
    (place / "stages.toml").write_text(GRPO.format(place=place.as_posix()) + STAGES)
    return place / "stages.toml"


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory) -> Path:
    """A pipeline that was never stopped. Not to be changed."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    assert cli.main(["train", str(recipe), "--run", str(run)]) == 0
    return run


def resume(run: Path, *words: str) -> int:
    return cli.main(["train", "--resume", "--run", str(run), *words])


def events(run: Path) -> list[tuple[str, str | None]]:
    return [(event["event"], event.get("stage")) for event in read_lines(run / "events.jsonl")]


def assert_same(run: Path, other: Path) -> None:
    for name in MODELS:
        assert weights(run / "stages" / name) == weights(other / "stages" / name)
    # A process that was killed leaves its lock's file behind; a resumed run without steps has an empty list of them.
    files = [{file.relative_to(one).as_posix() for file in one.rglob("*")} for one in (run, other)]
    assert {name for name in files[0] ^ files[1] if not name.endswith(LOCK)} <= {"stages/04-look/metrics.jsonl"}
    read = [json.loads((one / "stages/04-look/evaluations/after.json").read_text()) for one in (run, other)]
    assert read[0] == read[1]


def test_each_stage_takes_the_model_of_one_before(whole):
    place = (whole / "stages/01-zero/model").as_posix()
    assert recipe_of(str(whole / "stages/02-cold")).model == place
    first = [(whole / "stages" / name / "checkpoints/step-000000/model.safetensors").read_bytes() for name in MODELS]
    assert first[1:] == [weights(whole / "stages" / name) for name in MODELS[:2]]
    assert weights(whole) == weights(whole / "stages/03-rl")
    assert recipe_of(str(whole)) == recipe_of(str(whole / "stages/03-rl"))


def test_it_says_what_came_of_each_stage(whole):
    stages = json.loads((whole / "summary.json").read_text())["stages"]
    assert [(one["name"], one["kind"], one["run"]) for one in stages] == [
        ("zero", "grpo", "stages/01-zero"),
        ("cold", "sft", "stages/02-cold"),
        ("rl", "grpo", "stages/03-rl"),
        ("look", "evaluate", "stages/04-look"),
    ]
    assert all(one["seconds"] > 0 and 0 <= one["figures"]["after"]["pass@1"] <= 1 for one in stages)
    assert all(set(figures_of(one["figures"])) == set(EVALUATED) for one in stages)
    # The same model, problems and seed: what the last stage measures is what the stage before it ended with.
    assert stages[3]["figures"]["after"] == stages[2]["figures"]["after"]
    assert events(whole) == [
        ("started", None),
        *(("stage started", "zero"), ("stage done", "zero")),
        *(("stage started", "cold"), ("stage done", "cold"), ("gate passed", "cold")),
        *(("stage started", "rl"), ("stage done", "rl")),
        *(("stage started", "look"), ("stage done", "look")),
        ("finished", None),
    ]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
@pytest.mark.timeout(6 * PATIENCE)
def test_killed_in_each_stage_and_between_them_it_ends_the_same(whole, recipe, tmp_path):
    run = tmp_path / "run"
    for file in (
        f"run/{ASIDE}pipeline.toml",
        f"01-zero/{ASIDE}recipe.toml",
        f"01-zero/checkpoints/{ASIDE}step-000002/",
        f"01-zero/{ASIDE}summary.json",
        f"02-cold/checkpoints/{ASIDE}step-000001/",
        f"03-rl/evaluations/{ASIDE}after.json",
        f"04-look/evaluations/{ASIDE}after.parquet",
        f"run/{ASIDE}model/",
    ):
        die_at(file, run, recipe)
        assert not (run / "summary.json").exists()
    assert resume(run) == 0
    assert_same(run, whole)


def test_what_is_done_is_not_done_again(whole, tmp_path, capsys):
    run = shutil.copytree(whole, tmp_path / "run")
    stamps = {name: (run / "stages" / name / "summary.json").stat().st_mtime_ns for name in PLACES}
    assert cli.main(["train", "--resume", "--json", "--run", str(run)]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found["run"] == str(run) and [one["name"] for one in found["stages"]] == ["zero", "cold", "rl", "look"]
    assert "(2 of 4) cold: sft from stage:zero: is done" in said.err
    assert stamps == {name: (run / "stages" / name / "summary.json").stat().st_mtime_ns for name in PLACES}


def test_a_changed_stage_and_those_that_follow_it_are_run_anew(whole, tmp_path, capsys):
    run = shutil.copytree(whole, tmp_path / "run")
    assert resume(run, "rl.policy.learning_rate=5e-3", "zero.checkpoint_every=7") == 0
    said = capsys.readouterr().err
    assert "03-rl is not what the recipe asks for now" in said and "02-cold" not in said
    assert sorted(place.name for place in (run / "stages").iterdir()) == [
        *("01-zero", "02-cold", "03-rl", "03-rl.replaced-1", "04-look", "04-look.replaced-1")
    ]
    assert [event for event in events(run) if event[0] == "replaced"] == [
        *(("replaced", "04-look"), ("replaced", "03-rl")),
    ]
    assert weights(run / "stages/02-cold") == weights(whole / "stages/02-cold")
    assert weights(run / "stages/03-rl.replaced-1") == weights(whole) != weights(run)


def test_a_stage_at_which_another_is_at_work_is_not_set_aside(whole, tmp_path, capsys):
    run = shutil.copytree(whole, tmp_path / "run")
    lock = Lock(run / "stages/03-rl")
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*") if file.is_file() and file.name != LOCK}
    try:
        assert resume(run, "rl.policy.learning_rate=5e-3") == 2
    finally:
        lock.release()
    said = capsys.readouterr().err
    assert f"process {os.getpid()} on " in said and "03-rl: wait for its end" in said and "set aside" not in said
    assert before == {file: file.stat().st_mtime_ns for file in run.rglob("*") if file.is_file()}


def test_a_stage_that_is_gone_is_made_again_with_what_follows_and_what_was_said_of_all(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    shutil.rmtree(run / "stages/02-cold")
    (run / "model/model.safetensors").write_bytes(b"old")
    before = json.loads((run / "summary.json").read_text())
    assert resume(run) == 0
    assert weights(run) == weights(run / "stages/03-rl") == weights(whole)
    after = json.loads((run / "summary.json").read_text())
    assert [one["seconds"] for one in after["stages"][1:]] != [one["seconds"] for one in before["stages"][1:]]


def test_a_stage_that_began_with_other_weights_does_not_stand(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    pipeline = load_pipeline(run / "pipeline.toml")
    versions = {name: weights_version(run / "stages" / name) for name in MODELS}
    assert recorded(run) == {
        **{"zero": {}, "cold": {"zero": versions["01-zero"]}},
        **{"rl": {"cold": versions["02-cold"]}, "look": {"rl": versions["03-rl"]}},
    }
    assert standing_stages(run, pipeline) == 4
    shutil.copytree(run / "stages/01-zero/checkpoints", run / "stages/02-cold/checkpoints", dirs_exist_ok=True)
    shutil.rmtree(run / "stages/02-cold/checkpoints/step-000003")
    assert weights_version(run / "stages/02-cold") == versions["01-zero"]
    assert standing_stages(run, pipeline) == 2
    assert [one.version for stage in read_report(run).stages for one in stage.origins if one.source == "cold"] == [
        versions["02-cold"]
    ]


def test_a_recipe_that_differs_goes_on_with_what_is_the_same(whole, recipe, tmp_path):
    run = shutil.copytree(whole, tmp_path / "run")
    mine = tmp_path / "mine.toml"
    mine.write_text(recipe.read_text().partition('[[stages]]\nname = "look"')[0])
    assert resume(run, str(mine)) == 0
    assert sorted(place.name for place in (run / "stages").iterdir()) == [*MODELS, "04-look.replaced-1"]
    assert weights(run) == weights(whole)
    stages = json.loads((run / "summary.json").read_text())["stages"]
    assert [one["name"] for one in stages] == ["zero", "cold", "rl"]


def test_what_was_begun_is_not_taken_for_another_recipe(whole, recipe, capsys):
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*")}
    for more in ([], ["--dry-run"]):
        assert cli.main(["train", str(recipe), "zero.steps=1", "--run", str(whole), *more]) == 2
        said = capsys.readouterr().err
        assert "is there already: go on with it by --resume" in said and "--resume takes a recipe file, too" in said
    assert resume(whole, "nano") == 2 and "nano has no stages" in capsys.readouterr().err
    assert before == {file: file.stat().st_mtime_ns for file in whole.rglob("*")}


def test_a_folder_that_was_moved_is_gone_on_with(whole, tmp_path):
    run = shutil.copytree(whole, tmp_path / "elsewhere")
    for gone in ("summary.json", "stages/04-look/summary.json", "stages/04-look/evaluations/after.json"):
        (run / gone).unlink()
    assert resume(run) == 0
    assert_same(run, whole)
    assert recipe_of(str(run / "stages/02-cold")).model == (run / "stages/01-zero/model").as_posix()


def test_a_stage_that_misses_its_gate_stops_the_others(recipe, tmp_path, capsys):
    run = tmp_path / "run"
    asked = ["train", str(recipe), "--run", str(run), "cold.require=length < 1"]
    assert cli.main(asked) == 2
    said = capsys.readouterr().err
    assert "stage cold has not reached what it must: its length is" in said and "length < 1 is required" in said
    assert "the doctor has no questions for what a stage 'sft' makes" in said
    assert not (run / "stages/03-rl").exists() and not (run / "summary.json").exists()
    done = weights(run / "stages/02-cold")
    assert cli.main(["eval", str(run)]) == 2
    assert f"these have models: {run / 'stages/01-zero'}, {run / 'stages/02-cold'}\n" in capsys.readouterr().err

    assert resume(run) == 2  # it is not tried again: neither the stage nor the gate has changed
    assert ("stage started", "cold") not in events(run)[events(run).index(("gate failed", "cold")) :]
    assert resume(run, "cold.require=length > 1") == 0
    assert weights(run / "stages/02-cold") == done and (run / "summary.json").exists()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("look.task.name=quadratic", "did you mean quadratics?"),
        ("rl.reward.absent.py:f=1", "there is no file"),
        ("look.model=./absent", "there is no folder './absent'"),
        ("rl.require=pas@1 > 0", "did you mean pass@1?"),
        ("rl.chat.thinking=on", "does not look at enable_thinking"),
    ],
)
def test_what_is_wrong_with_a_late_stage_is_said_before_the_first_begins(recipe, tmp_path, capsys, word, said):
    run = tmp_path / "run"
    assert cli.main(["train", str(recipe), "--run", str(run), word]) == 2
    captured = capsys.readouterr().err
    assert said in captured and f"stage {word.partition('.')[0]}" in captured
    assert not run.exists()


def test_a_dry_run_shows_every_stage_and_changes_nothing(whole, recipe, tmp_path, capsys):
    assert cli.main(["train", "--dry-run", str(recipe)]) == 0
    out = capsys.readouterr().out
    assert "# (2 of 4) cold: sft from stage:zero. A step: 2 demonstrations" in out and "3 of them.\n" in out
    (tmp_path / "resolved.toml").write_text(out)
    assert cli.main(["train", "--dry-run", str(tmp_path / "resolved.toml")]) == 0
    assert capsys.readouterr().out == out
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*")}
    assert cli.main(["train", "--dry-run", "--json", "--resume", "--run", str(whole), "rl.steps=5"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)["recipe"]["stages"]) == 4 and "03-rl is not what" in captured.err
    assert "would be set aside" in captured.err
    assert before == {file: file.stat().st_mtime_ns for file in whole.rglob("*")}


@pytest.mark.usefixtures("warm_rehearsal")
def test_a_check_looks_at_each_stage(recipe, place, tmp_path, capsys):
    two, begun = tmp_path / "two.toml", recipe.read_text().partition('[[stages]]\nname = "cold"')[0]
    two.write_text(begun + '[[stages]]\nname = "look"\nstage = "evaluate"\nmodel = "stage:zero"\n')
    assert cli.main(["check", "--json", str(two), "zero.stage=sft"]) == 0
    found = json.loads(capsys.readouterr().out)
    zero, look = found["stages"]
    assert (zero["name"], zero["kind"]) == ("zero", "sft") and zero["plan"]["fits"]
    assert found["total_seconds"] == zero["plan"]["total_seconds"]
    assert look == {"name": "look", "kind": "evaluate", "model": f"{place.as_posix()}/model"}


def test_the_doctor_looks_at_each_stage(whole, capsys):
    assert cli.main(["doctor", "--json", str(whole)]) == 0
    found = json.loads(capsys.readouterr().out)["stages"]
    assert [one["run"] for one in found] == [str(whole / "stages" / name) for name in PLACES]
    assert [one["steps"] for one in found] == [2, 3, 2, 0]


def test_a_plain_run_is_not_begun_where_stages_are(whole, place, capsys):
    assert cli.main(["train", str(place / "grpo.toml"), "--run", str(whole)]) == 2
    assert "is there already" in capsys.readouterr().err


def test_a_model_with_its_adapter_is_that_of_the_whole(place, tmp_path):
    pytest.importorskip("peft")
    file, run = tmp_path / "lora.toml", tmp_path / "run"
    file.write_text(GRPO.format(place=place.as_posix()) + '[lora]\nrank = 2\n[[stages]]\nname = "zero"\nsteps = 1\n')
    assert cli.main(["train", str(file), "--run", str(run)]) == 0
    names = [
        sorted(f"{file.relative_to(one / 'model')}" for file in (one / "model").rglob("*"))
        for one in (run, run / "stages/01-zero")
    ]
    assert names[0] == names[1] and "adapter/adapter_model.safetensors" in names[0]
