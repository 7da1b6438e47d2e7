"""Reports of real runs: one that has finished, one at work, and the directory of several stages."""

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace

import pytest

from groupthink import cli
from groupthink.insight.report import read_report
from groupthink.insight.report.markdown import card_section, escaped, in_markdown, write_markdown
from groupthink.insight.report.words import in_words
from groupthink.pipeline import Pipeline, Stage, dump_pipeline
from groupthink.pipeline.reading import load_pipeline
from groupthink.recipe import dump_recipe, load_recipe
from groupthink.run.card import put_stages
from groupthink.run.lines import append_line
from tests.stage.conftest import place, train  # noqa: F401

SFT = ("stage=sft", "steps=2", "evaluate.base_samples=3", "sft.examples_per_step=4")


@pytest.fixture(scope="module")
def several(place, tmp_path_factory):  # noqa: F811
    """Three stages and one that was replaced, in the layout of a recipe with stages; the last is still at work."""
    path = tmp_path_factory.mktemp("runs") / "r1"
    stages, recipe = path / "stages", place / "grpo.toml"
    zero = train(stages / "01-zero", recipe, "evaluate.every=2").path
    words = {"zero": (), "chains": ("stage=sample", "sample.problems=4"), "cold": SFT, "final": ()}
    built = {
        name: load_recipe(recipe, [*more, *(["model=stage:zero"] if name != "zero" else [])])
        for name, more in words.items()
    }
    pipeline = Pipeline(tuple(Stage(name, one) for name, one in built.items()))
    (path / "pipeline.toml").write_text(dump_pipeline(pipeline))
    chains = stages / "02-chains"
    chains.mkdir()
    shutil.copy(zero / "recipe.toml", chains)
    counts = {"sampled": 1200, "kept": 300, "dropped": {"wrong": 880, "dup|licate": 20, "long": 0}, "tokens": 9000}
    (chains / "summary.json").write_text(json.dumps(counts))
    shutil.copytree(zero, stages / "03-cold.replaced-1")
    train(stages / "03-cold", recipe, *SFT, f"model={zero}/model")
    final = stages / "04-final"
    shutil.copytree(zero, final)
    (final / "recipe.toml").write_text((zero / "recipe.toml").read_text().replace(f"{place}/model", f"{zero}/model"))
    shutil.rmtree(final / "model")
    for file in ("summary.json", "evaluations/after.json", "evaluations/after.parquet"):
        (final / file).unlink()
    return path


def test_the_rows_of_a_run_are_its_model_before_and_after(several):
    path = several / "stages" / "01-zero"
    found = read_report(path)
    kept = [json.loads((path / "evaluations" / f"{name}.json").read_text()) for name in ("before", "after")]
    assert [(stage.name, stage.kind) for stage in found.stages] == [("base", "base"), ("01-zero", "grpo")]
    for stage, figures in zip(found.stages, kept, strict=True):
        for name in ("pass@1", "lenient", "greedy", "length", "format", "truncated", "maj@k", "pass@k"):
            assert stage.evaluated.figures[name].mean == pytest.approx(figures[name])
        assert stage.evaluated.figures["pass@1"].low == figures["pass@1_low"]
    assert found.stages[1].seconds > 0 and found.stages[1].tokens > 0
    assert found.differences[0].problems == 3


def test_every_row_says_what_gives_its_figures_again(several, capsys):
    path = several / "stages" / "01-zero"
    for stage in read_report(path).stages:
        words = stage.evaluated.command.split()
        assert words[:2] == ["groupthink", "eval"]
        assert cli.main([*words[1:], "--json"]) == 0
        again = json.loads(capsys.readouterr().out)
        for name in ("pass@1", "greedy", "lenient", "length", "maj@k", "pass@k", "format"):
            assert again[name] == pytest.approx(stage.evaluated.figures[name].mean)


def test_a_command_that_does_not_do_all_as_the_run_did_says_so(several, tmp_path):
    plain = "\n".join(in_words(read_report(several)))
    assert "--trust-remote-code" not in plain and "done otherwise" not in plain
    path = shutil.copytree(several / "stages" / "01-zero", tmp_path / "zero")
    words = ("trust_remote_code=true", "rollout.engine=vllm", "code.sandbox=none")
    (path / "recipe.toml").write_text(dump_recipe(load_recipe(path / "recipe.toml", words)))
    base, zero = read_report(path).stages
    assert all(stage.evaluated.command.endswith(" --trust-remote-code") for stage in (base, zero))
    assert zero.evaluated.otherwise == ("drawn by torch, not vllm", "programs in bubblewrap, not none")
    assert "drawn by torch, not vllm; programs in bubblewrap, not none" in "\n".join(in_words(read_report(path)))


def test_stages_stand_in_their_order_without_those_that_were_replaced(several):
    found = read_report(several)
    assert [stage.name for stage in found.stages] == ["base", "zero", "chains", "cold", "final"]
    base, zero, chains, cold, final = found.stages
    assert found.k == 2 and cold.evaluated.samples == 3
    assert (cold.origins[0].source, cold.origins[0].version) == ("zero", zero.version)
    assert chains.evaluated is None and (chains.kept.sampled, chains.tokens) == (1200, 9000)
    assert not final.finished and final.evaluated.name == "step-000002"
    assert base.version != zero.version
    pairs = {(one.later, one.earlier) for one in found.differences}
    assert ("final", "zero") in pairs and ("cold", "base") in pairs and len(pairs) == len(found.differences) == 6
    assert found.tokens == sum(stage.tokens for stage in found.stages)


def test_an_evaluation_that_no_row_shows_takes_no_samples_from_the_others(several, tmp_path):
    path = shutil.copytree(several, tmp_path / "r1")
    file = path / "stages" / "04-final" / "evaluations" / "before.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"samples": 1}))  # of the model of zero, as its row says
    assert read_report(path).k == 2


def test_the_terminal_has_all_of_it(several):
    said = "\n".join(in_words(read_report(several)))
    for words in (
        "final (step-000002)",
        "final over cold",
        "cold over zero",
        "cold over base",
        "4 of 4 so far",
        "in all",
        "880",
    ):
        assert words in said
    assert "base over" not in said
    assert [line for line in said.splitlines() if line.split() == ["chains", *"-----"]]  # of a stage without evaluation


def test_json_is_one_object_with_the_stages(several, capsys):
    assert cli.main(["report", str(several), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    cold = next(stage for stage in found["stages"] if stage["name"] == "cold")
    assert cold["kind"] == "sft" and cold["pass@1_low"] <= cold["pass@1"] <= cold["pass@1_high"]
    assert cold["length"] > 0 and cold["seconds"] > 0 and cold["from"][0]["source"] == "zero"
    chains = next(stage for stage in found["stages"] if stage["name"] == "chains")
    assert chains["dropped"]["wrong"] == 880 and chains["pass@1"] is None


def test_a_recipe_that_stopped_is_told_from_one_at_work_and_from_one_that_is_done(several, tmp_path, capsys):
    path = shutil.copytree(several, tmp_path / "r1")
    stages = [*load_pipeline(path / "pipeline.toml").stages]
    many = replace(stages[1].recipe, sample=replace(stages[1].recipe.sample, problems=400))
    stages[1] = Stage("chains", many, "kept >= 400")
    stages.append(Stage("late", stages[3].recipe))
    (path / "pipeline.toml").write_text(dump_pipeline(Pipeline(tuple(stages))))
    failed = {"event": "gate failed", "stage": "chains", "require": "kept >= 400", "missed": [], "time": 2.0}
    started = {"event": "stage started", "stage": "chains", "time": 3.0}
    append_line(path / "events.jsonl", failed | {"require": "kept >= 9", "event": "gate passed"})
    append_line(path / "events.jsonl", failed)

    found = read_report(path)
    states = {one.name: one.state for one in found.whole.stages}
    assert states == {"zero": "done", "chains": "done", "cold": "done", "final": "cut off", "late": "to come"}
    assert found.whole.state == "stopped"
    said = "\n".join(in_words(found))
    assert "kept >= 400  missed" in said and "kept 300" in said and "stopped: chains has missed its gate." in said
    assert "stopped: chains has missed its gate." in in_markdown(found)
    assert cli.main(["report", str(path), "--json"]) == 0
    chains = json.loads(capsys.readouterr().out)["whole"]["stages"][1]
    assert (chains["kept"], chains["found"]) == (False, {"kept": 300})

    append_line(path / "events.jsonl", started)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (path / ".lock").write_text(f"process {gone.pid} on {socket.gethostname()}")
    assert read_report(path).whole.state == "stopped"
    (path / ".lock").write_text("")
    found = read_report(path)
    assert found.whole.state == "at work" and found.whole.stages[3].state == "at work"
    assert found.whole.stages[1].kept is None
    os.utime(path / ".lock", (1, 1))  # of a process that was killed
    assert read_report(path).whole.state == "stopped"
    (path / "summary.json").write_text("{}")
    assert read_report(path).whole.state == "finished"
    assert read_report(path / "stages" / "01-zero").whole is None


def test_markdown_has_its_plots_beside_it(several, tmp_path):
    pytest.importorskip("matplotlib")
    told: list[str] = []
    text = write_markdown(tmp_path / "new" / "report", read_report(several), told.append).read_text()
    shown = sorted(file.name for file in (tmp_path / "new" / "report").glob("*.png"))
    assert shown == ["01-zero.png", "04-final.png", "accuracy.png"] and told == []
    assert all(f"]({name})" in text for name in shown)
    assert all((tmp_path / "new" / "report" / name).read_bytes().startswith(b"\x89PNG") for name in shown)
    assert r"dup\|licate" in text


def test_without_matplotlib_the_rest_is_made(several, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    told: list[str] = []
    text = write_markdown(tmp_path, read_report(several), told.append).read_text()
    assert "pip install 'groupthink[report]'" in told[0] and "## Differences" in text and "![" not in text


def test_only_plots_read_what_was_written_in_training(several, tmp_path, monkeypatch):
    from groupthink.insight.report import course

    read: list = []
    monkeypatch.setattr(course, "_checking", lambda file, traits: read.append(file.parent.parent.name) or 0.5)
    found = read_report(several)
    assert "\n".join(in_words(found)) and read == []
    pytest.importorskip("matplotlib")
    write_markdown(tmp_path, found, print)
    assert sorted(set(read)) == ["01-zero", "04-final"] and (tmp_path / "self-checking.png").exists()


def test_a_pipeline_that_has_moved_is_still_understood(several, tmp_path):
    shutil.copytree(several, tmp_path / "moved")
    here, there = (
        [(one.name, [(origin.source, origin.version) for origin in one.origins]) for one in read_report(path).stages]
        for path in (several, tmp_path / "moved")
    )
    assert here == there and "zero" in {source for _, origins in there for source, _ in origins}


def test_a_card_tells_of_the_stages_once(several):
    folder = several / "stages" / "03-cold" / "model"
    before = (folder / "README.md").read_text()
    for _ in range(2):
        put_stages(folder, card_section(read_report(several)))
    card = (folder / "README.md").read_text()
    assert card.count("## The stages") == 1 and "| cold over zero |" in card
    assert card.index("## The stages") < card.index("## How to load")
    first, last = before.split("## How to load")
    assert card.startswith(first.rstrip()) and card.endswith(last)


def test_names_are_no_markup(several):
    assert escaped("a<b>|*c*\nd") == r"a&lt;b>\|\*c\* d"
    assert "<b>" not in in_markdown(read_report(several))


def test_a_run_that_has_only_begun_has_a_report(several, tmp_path):
    shutil.copy(several / "stages" / "01-zero" / "recipe.toml", tmp_path)
    [stage] = read_report(tmp_path).stages
    assert stage.evaluated is None and stage.done == 0 and not stage.finished
    assert "0 of 4 so far" in "\n".join(in_words(read_report(tmp_path)))


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert cli.main(["report", str(tmp_path)]) == 2
    assert "there is no run in" in capsys.readouterr().err
