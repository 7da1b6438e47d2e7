import json

import pytest

from groupthink.pipeline import Pipeline, Stage, dump_pipeline
from groupthink.recipe import load_recipe
from groupthink.run.lines import append_line
from groupthink.web import live
from groupthink.web.reading import curves
from groupthink.web.reading.curves import read_run
from groupthink.web.reading.health import health_of, title_of
from groupthink.web.reading.places import Places
from groupthink.web.reading.reports import report_of
from groupthink.web.reading.runs import list_runs, spark
from groupthink.web.reading.series import series_of
from tests.web.reading.making import run_of

FIGURES = {
    **dict.fromkeys(("pass@1", "pass@1_low", "pass@1_high", "pass@k", "maj@k", "greedy", "lenient", "format"), 0.5),
    **{"problems": 2, "samples": 2, "length": 10.0, "truncated": 0.0, "unjudged": {}},
    "traits": {"checks": {"share": 0.5, "accuracy": None}},
}
ROW = {"kind": "sampled", "problem": "q", "prompt": "Solve", "expected": "1", "text": "1", "extracted": "1"}
ROW |= {"right": True, "lenient": True, "formed": True, "by_tests": False, "length": 2, "finish": "stop", "traits": []}
TWO = [[[1, 0, 0], [1, 1, 0]], [[1, 1, 0.5], [0, 0, 0]]]


@pytest.fixture
def run(tmp_path):
    with run_of(tmp_path / "runs/r", TWO, "steps=5") as run:
        run.write_evaluation("before", [ROW] * 2, FIGURES)
        run.event("checkpoint", step=2)
        run.event("finding", cause="truncated", evidence="60% are cut", advice="raise it", step=1)
        run.event("restarted", step=1, reason="process 3 died")
        yield run


def test_a_run_over_its_steps(run):
    found = read_run(run.path, "r", now=0.0)
    assert (found["name"], found["kind"], found["status"]) == ("r", "grpo", "running")
    assert (found["model"], found["steps"], found["done"], found["every"]) == ("nano", 5, 2, 1)
    assert found["steps_axis"] == [0, 1] and found["series"]["reward"] == [0.5, 0.416667]
    assert found["series"]["time/learn"] == [2.0, 2.0] and "step" not in found["series"]
    assert found["words"].startswith("A step: 2 problems x 3 responses") and 'stage = "grpo"' in found["recipe"]
    assert (found["estimator"], found["objective"], found["parts"]) == ("center", "grpo", {"accuracy": 1.0})
    assert [(mark["step"], mark["kind"]) for mark in found["marks"]] == [
        (2, "checkpoint"),
        (1, "finding"),
        (1, "restarted"),
    ]
    assert "process 3 died" in found["marks"][2]["text"] and "60% are cut" in found["marks"][1]["text"]
    [before] = found["evaluations"]
    assert (before["step"], before["name"], before["pass@1"], before["problems"]) == (0, "before", 0.5, 2)
    assert before["traits"] == {"checks": {"share": 0.5, "accuracy": None}}
    json.dumps(found, allow_nan=False)


def test_what_was_found_earlier_is_told_as_such(run):
    found = read_run(run.path, now=0.0)
    [finding] = found["findings"]
    assert finding == {
        "cause": "truncated",
        "title": "Responses are cut before their answer.",
        "evidence": "60% are cut",
        "change": "raise it",
        "step": 1,
        "now": False,
    }
    assert found["healthy"] is None  # two steps say nothing


def test_the_doctor_is_asked_anew(run):
    for step in range(2, 10):
        append_line(run.path / "metrics.jsonl", {"step": step, "completions/clipped_ratio": 0.9})
    health = health_of(run.path)
    assert not health.healthy and health.findings[0]["cause"] == "truncated" and health.findings[0]["now"]
    assert health.findings[0]["evidence"].startswith("90% of the responses are cut")
    for step in range(10, 20):
        append_line(run.path / "metrics.jsonl", {"step": step, "completions/clipped_ratio": 0.0})
    health = health_of(run.path)
    assert health.healthy and [one["now"] for one in health.findings] == [False]
    assert title_of("a_new_one") == "a new one"


def test_a_long_run_is_thinned(run, monkeypatch):
    monkeypatch.setattr(curves, "POINTS", 2)
    append_line(run.path / "metrics.jsonl", {"step": 2, "reward": 0.25, "ratio/max": 3.0})
    append_line(run.path / "metrics.jsonl", {"step": 3, "reward": None, "ratio/max": 2.0})
    append_line(run.path / "metrics.jsonl", {"step": 4, "reward": 1.0, "ratio/max": 1.0})
    found = read_run(run.path, now=0.0)
    assert (found["every"], found["first"], found["steps_axis"], found["done"]) == (3, 0, [2, 4], 5)
    assert found["series"]["reward"] == [pytest.approx((0.5 + 0.416667 + 0.25) / 3, abs=1e-5), 1.0]
    assert found["series"]["ratio/max"] == [3.0, 2.0]  # the largest of the largest


def test_a_run_that_has_finished(run):
    run.write_evaluation("after", [ROW] * 2, FIGURES)
    run.finish({"steps": 2})
    found = read_run(run.path, now=0.0)
    assert found["status"] == "finished"
    assert report_of(run.path) == {"report": None}  # it has no stages
    assert [(one["name"], one["step"]) for one in found["evaluations"]] == [("before", 0), ("after", 2)]
    assert ("evaluation", 2) in [(mark["kind"], mark["step"]) for mark in found["marks"]]


def test_a_damaged_evaluation_is_left_out(run):
    (run.path / "evaluations/before.json").write_text("{")
    run.finish({"steps": 2})
    found = read_run(run.path, now=0.0)
    assert found["evaluations"] == []


def test_a_recipe_that_cannot_be_read_is_said(run):
    (run.path / "recipe.toml").write_text("steps = many")
    with pytest.raises(ValueError, match="not TOML"):
        read_run(run.path)
    [card] = list_runs(run.path.parent)["runs"]
    assert card["kind"] is None and "its recipe cannot be read" in card["why"] and card["done"] == 2


DEEP = '{"step": 0, "deep": ' + "[" * 100_000 + "]" * 100_000 + "}\n"
ODD = {
    "a summary that is a list": ("summary.json", "[]"),
    "one whose stages are a number": ("summary.json", '{"stages": 3}'),
    "a summary that is nested too deeply": ("summary.json", "[" * 100_000),
    "a step that no file can number": ("metrics.jsonl", f'{{"step": {2**63}, "reward": 0.5}}\n'),
    "a figure of 400 digits": ("metrics.jsonl", f'{{"step": 0, "reward": 1{"0" * 400}}}\n'),
    "a line that is nested too deeply": ("metrics.jsonl", DEEP),
    "an event that is": ("events.jsonl", DEEP),
    "an evaluation that is": ("evaluations/before.json", DEEP),
    "figures that cannot be opened": ("metrics.jsonl", None),
    "events that cannot be opened": ("events.jsonl", None),
    "an evaluation of words": ("evaluations/before.json", '{"pass@1": "half"}'),
}


@pytest.mark.parametrize("name, content", ODD.values(), ids=ODD)
def test_one_odd_run_hides_no_other(tmp_path, name, content, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.0)
    with run_of(tmp_path / "sound", [[[1, 0, 0]]]), run_of(tmp_path / "odd", [[[1, 0, 0]]]) as odd:
        journal = live.Journal(Places(tmp_path))
        journal.look()
        reader = journal.reader("")
        file = odd.path / name
        file.parent.mkdir(exist_ok=True)
        if content is None:  # a folder: nobody can read it as a file, root neither
            file.unlink()
            file.mkdir()
        else:
            file.write_text(content)
        append_line(tmp_path / "sound/metrics.jsonl", {"step": 1, "reward": 0.5})
        told = [(event.data["run"], event.data["step"]) for event in reader.fresh() if event.kind == "step"]
        assert ("sound", 1) in told
        cards = {card["name"]: card for card in list_runs(tmp_path)["runs"]}
    assert cards["sound"]["done"] == 2
    unreadable = content is None
    assert (cards["odd"]["status"] == "unreadable") == unreadable
    assert ("cannot be read: " in cards["odd"]["why"]) == unreadable
    json.dumps(cards, allow_nan=False)


def test_cards(run):
    with run_of(run.path.parent / "other", [], "stage=sft", "model=someone/model"):
        found = list_runs(run.path.parent, now=0.0)
    assert found["folder"] == str(run.path.parent)
    cards = {card["name"]: card for card in found["runs"]}
    card = cards["r"]
    assert (card["kind"], card["status"], card["steps"], card["done"]) == ("grpo", "running", 5, 2)
    assert (card["reward"], card["accuracy"], card["accuracy_before"]) == (0.416667, 0.5, 0.5)
    assert card["spark"] == [0.5, 0.416667] and card["part_of"] is None and card["stages"] == []
    assert card["last"] >= card["begun"] and card["length"] > 0
    other = cards["other"]
    assert (other["kind"], other["model"], other["reward"], other["spark"]) == ("sft", "someone/model", None, [])
    assert other["accuracy"] is None and other["done"] == 0
    json.dumps(found, allow_nan=False)


def test_a_spark_has_sixty_points_at_most(tmp_path):
    for step in range(150):
        append_line(tmp_path / "metrics.jsonl", {"step": step, "reward": None if step < 3 else step / 100})
    points = spark(series_of(tmp_path))
    assert len(points) == 60 and points[0] is None and points[-1] == pytest.approx(1.48, abs=0.01)


@pytest.fixture
def several(tmp_path):
    """Three stages: one done, one at work, one to come."""
    path = tmp_path / "runs/r1"
    recipes = {"zero": (), "cold": ("stage=sft", "steps=7"), "last": ()}
    stages = tuple(Stage(name, load_recipe(overrides=["steps=2", *words])) for name, words in recipes.items())
    path.mkdir(parents=True)
    (path / "pipeline.toml").write_text(dump_pipeline(Pipeline(stages)))
    append_line(path / "events.jsonl", {"event": "started", "time": 5.0})
    append_line(path / "events.jsonl", {"event": "stage started", "time": 6.0, "stage": "zero"})
    with run_of(path / "stages/01-zero", TWO, "steps=2") as zero:
        zero.write_evaluation("after", [ROW] * 2, FIGURES)
        zero.finish({"steps": 2})
    append_line(path / "events.jsonl", {"event": "stage started", "time": 7.0, "stage": "cold"})
    with run_of(path / "stages/02-cold", [], "stage=sft", "steps=7"):
        yield path


def test_a_recipe_of_several_stages(several):
    found = read_run(several, "r1", now=0.0)
    assert (found["kind"], found["steps"], found["done"]) == ("pipeline", 11, 2)
    stages = found["stages"]
    assert [(one["name"], one["kind"], one["status"]) for one in stages] == [
        ("zero", "grpo", "finished"),
        ("cold", "sft", "running"),
        ("last", "grpo", "waiting"),
    ]
    assert [one["run"] for one in stages] == ["r1/stages/01-zero", "r1/stages/02-cold", None]
    assert "zero (grpo), cold (sft), last (grpo)" in found["words"]
    assert [(mark["kind"], mark["text"]) for mark in found["marks"]] == [
        ("stage started", "zero"),
        ("stage started", "cold"),
    ]
    assert found["series"] == {}
    report = report_of(several)["report"]
    assert [row[0] for row in report["rows"]] == ["zero", "cold"] and report["heads"][:2] == ["", "pass@1"]
    assert report_of(several)["report"] is report  # it is not made twice
    assert found["recipe"].startswith("[[stages]]")
    json.dumps(found, allow_nan=False)


def test_its_card_sums_up_its_stages(several):
    cards = {card["name"]: card for card in list_runs(several.parent, now=0.0)["runs"]}
    assert list(cards) != [] and cards.keys() == {"r1", "r1/stages/01-zero", "r1/stages/02-cold"}
    whole = cards["r1"]
    assert (whole["kind"], whole["stages"]) == ("pipeline", ["zero", "cold", "last"])
    assert (whole["steps"], whole["done"], whole["reward"], whole["accuracy"]) == (11, 2, 0.416667, 0.5)
    assert whole["begun"] == 5.0 and whole["last"] == max(card["last"] for card in cards.values())
    assert cards["r1/stages/01-zero"]["part_of"] == "r1"
    alone = list_runs(several / "stages/01-zero")["runs"]
    assert [(card["name"], card["part_of"]) for card in alone] == [("01-zero", None)]
