import json

import pytest

from groupthink.recipe import load_recipe
from groupthink.run.directory import Run
from groupthink.run.metrics import read_metrics
from groupthink.stage import evaluate, grpo
from groupthink.stage.progress import best_step, stands_still
from tests.stage.conftest import resume, to_the_end, train


def test_the_best_is_the_first_of_the_highest():
    assert best_step([]) is None
    assert best_step([(0, 0.5), (10, 0.7), (20, 0.7), (30, 0.6)]) == 10
    assert best_step([(0, 0.5), (10, 0.4)]) == 0


@pytest.mark.parametrize(
    ("passed", "still"),
    [
        *[([], False), ([0.5], False), ([0.5, 0.5], False), ([0.5, 0.5, 0.4], True), ([0.5, 0.6, 0.5], False)],
        *[([0.1, 0.2, 0.3, 0.4], False), ([0.1, 0.9, 0.3, 0.4], True), ([0.1, 0.9, 0.3, 0.95], False)],
    ],
)
def test_a_run_stands_still_after_so_many_evaluations_without_a_better_one(passed, still):
    evaluations = [(10 * i, each) for i, each in enumerate(passed)]
    assert stands_still(evaluations, 2) is still
    assert not stands_still(evaluations, 0)
    assert not stands_still(evaluations, 2, since=20)  # as it was taken up after those


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(ValueError, match=r"evaluate\.patience is 2: give .* evaluate\.every"):
        load_recipe(overrides=["evaluate.patience=2"])
    with pytest.raises(ValueError, match=r"evaluate\.patience is -1"):
        load_recipe(overrides=["evaluate.every=1", "evaluate.patience=-1"])


@pytest.fixture
def passes(monkeypatch):
    """A run whose evaluations find so much, one after the other; the last one again and again."""
    found = []
    real = evaluate.summarise

    def summarise(*graded):
        return real(*graded) | {"pass@1": found.pop(0) if len(found) > 1 else found[0]}

    monkeypatch.setattr(evaluate, "summarise", summarise)
    return found


SETTINGS = ("steps=9", "checkpoint_every=100", "evaluate.every=1", "evaluate.patience=3")


@pytest.mark.parametrize("stage", ["grpo", "sft"])
def test_a_run_ends_when_it_gets_no_better_and_keeps_its_best(place, tmp_path, passes, stage):
    passes += [0.2, 0.5, 0.4, 0.5, 0.3, 0.1] if stage == "grpo" else [0.5, 0.4, 0.5, 0.3, 0.1]
    sft = ("stage=sft", "sft.examples_per_step=2") if stage == "sft" else ()
    run = train(tmp_path / "run", place / "grpo.toml", *SETTINGS, *sft)
    assert [line["step"] for line in read_metrics(run.path / "metrics.jsonl")] == [0, 1, 2, 3]
    kept = [path.name for path in sorted((run.path / "checkpoints").iterdir())]
    assert kept == ["step-000000", "step-000001", "step-000004"]
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["best"] == {"step": 1, "pass@1": 0.5, "checkpoint": "checkpoints/step-000001"}
    events = [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]
    [ended] = [event["reason"] for event in events if event["event"] == "ended early"]
    assert "after step 4 of 9" in ended and "after step 1, 3 evaluations ago" in ended
    assert summary["steps"] == 4 and summary["ended_early"] == ended
    card = (run.path / "model/README.md").read_text()
    assert f"in 4 steps of `{stage}`" in card and f"The run ended early, {ended}." in card
    with pytest.raises(ValueError, match=r"ended early, after 4 of its 9 steps\. Go on with it by .*patience"):
        resume(run.path)


def test_a_run_that_ended_early_goes_on_with_another_patience_which_counts_from_there(place, tmp_path, passes):
    passes += [0.2, 0.5, 0.4, 0.3, 0.3, 0.1]
    run = train(tmp_path / "run", place / "grpo.toml", *SETTINGS)
    assert run.steps_done == 4
    run = resume(run.path, "evaluate.patience=2")
    assert [line["step"] for line in read_metrics(run.path / "metrics.jsonl")] == [0, 1, 2, 3, 4, 5]
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["steps"] == 6 and "after step 6 of 9" in summary["ended_early"]
    assert "after step 1, 5 evaluations ago" in summary["ended_early"]
    run = resume(run.path, "evaluate.patience=0")
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["steps"] == 9 and "ended_early" not in summary
    assert "in 9 steps of `grpo`" in (run.path / "model/README.md").read_text()
    with pytest.raises(ValueError, match="has finished its 9 steps: extend it with steps=18"):
        resume(run.path, "evaluate.patience=3")


def test_more_steps_take_up_a_run_that_ended_early_too_and_an_interruption_does_not_count(
    place, tmp_path, passes, monkeypatch
):
    passes += [0.5, 0.4, 0.4, 0.4, 0.3]
    run = train(tmp_path / "run", place / "grpo.toml", *SETTINGS)
    assert run.steps_done == 3
    checkpoint = Run.checkpoint

    def interrupted(run, done, *rest):
        path = checkpoint(run, done, *rest)
        if done == 5:
            raise KeyboardInterrupt
        return path

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Run, "checkpoint", interrupted)
        with Run.resume(run.path, ["steps=12", "checkpoint_every=5"]) as further:
            to_the_end(further)
    assert resume(run.path).steps_done == 6  # three evaluations after it was taken up, whatever came between


def test_interrupted_just_after_it_ended_it_takes_no_further_step(place, tmp_path, passes, monkeypatch):
    passes += [0.2, 0.2, 0.1, 0.0, 0.0]

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(grpo, "closing_figures", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "run", place / "grpo.toml", *SETTINGS)
    monkeypatch.undo()
    run = resume(tmp_path / "run")
    assert [line["step"] for line in read_metrics(run.path / "metrics.jsonl")] == [0, 1, 2]
    assert json.loads((run.path / "summary.json").read_text())["best"]["step"] == 0


UNJUDGED = """\
from groupthink.task.quadratics import Quadratics
from groupthink.task.verdict import Verdict


class Unjudged(Quadratics):
    def verify(self, problem, text, lenient=False):
        return Verdict(None, text, "nobody knows")
"""


@pytest.mark.parametrize("stage", ["grpo", "sft"])
def test_a_run_of_which_nobody_knows_what_is_right_goes_on_and_closes(place, tmp_path, stage, capsys):
    (tmp_path / "mine.py").write_text(UNJUDGED)
    settings = (f"task.name={tmp_path / 'mine.py'}:Unjudged", "evaluate.every=1", "evaluate.patience=1", "steps=3")
    sft = ("stage=sft", "sft.examples_per_step=2") if stage == "sft" else ()
    run = train(tmp_path / "run", place / "grpo.toml", *settings, *sft)
    assert [line["step"] for line in read_metrics(run.path / "metrics.jsonl")] == [0, 1, 2]
    summary = json.loads((run.path / "summary.json").read_text())
    assert summary["after"]["pass@1"] is None and summary["after"]["unjudged"] == {"nobody knows": 3}
    assert "best" not in summary and summary.get("gain") is None
    assert "3 problems are not judged: nobody knows" in capsys.readouterr().out
    assert "not judged: nobody knows" in (run.path / "model/README.md").read_text()


def test_a_run_on_problems_with_tests_is_measured_by_them(place, tmp_path):
    path = tmp_path / "programs.jsonl"
    rows = [{"prompt": f"Add {i}.", "test_list": [f"assert add(1) == {i + 1}"]} for i in range(20)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = (f"task.data={path.as_posix()}", "task.held_out=0.3", "code.sandbox=none", "steps=1")
    after = train(tmp_path / "run", place / "grpo.toml", *settings).read_evaluation("after")
    assert after.figures["pass@1"] == 0.0 and after.figures["unjudged"] == {} and after.figures["maj@k"] is None


def test_without_evaluations_during_the_run_nothing_is_said_of_a_best(place, tmp_path):
    run = train(tmp_path / "run", place / "grpo.toml", "steps=1")
    assert "best" not in json.loads((run.path / "summary.json").read_text())
