import json
from dataclasses import replace

import pytest

from groupthink import cli
from groupthink.insight.doctor import examine, in_words
from groupthink.run.lines import append_line
from tests.stage.conftest import place, resume, train  # noqa: F401


@pytest.fixture(scope="module")
def cut(place, tmp_path_factory):  # noqa: F811
    """A run whose responses are all cut."""
    path = tmp_path_factory.mktemp("runs") / "cut"
    return train(path, place / "grpo.toml", "steps=9", "checkpoint_every=100", "rollout.max_tokens=3")


def events(run):
    return [json.loads(line) for line in (run.path / "events.jsonl").read_text().splitlines()]


def test_a_run_says_what_is_wrong_once_and_the_doctor_says_it_too(cut, capsys):
    [told] = [event for event in events(cut) if event["event"] == "finding" and event["cause"] == "truncated"]
    assert "% of the responses are cut at rollout.max_tokens=3 before" in told["evidence"] and told["step"] == 0
    assert cli.main(["doctor", str(cut.path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["steps"] == 9 and found["findings"][0]["cause"] == "truncated"
    assert cli.main(["doctor", str(cut.path)]) == 0
    assert "do:   raise rollout.max_tokens" in capsys.readouterr().out


def test_what_was_told_is_not_told_again_after_a_resume(cut):
    before = [event["cause"] for event in events(cut) if event["event"] == "finding"]
    resume(cut.path, "steps=10")
    assert [event["cause"] for event in events(cut) if event["event"] == "finding"] == before


def test_what_was_wrong_earlier_is_told_apart(cut):
    append_line(
        cut.path / "events.jsonl",
        {"event": "finding", "time": 0.0, "cause": "kl", "evidence": "it was 3", "advice": "raise it", "step": 4},
    )
    found = examine(cut.path)
    assert [finding.cause for finding in found.earlier] == ["kl"]
    assert "kl (at step 4; no more)" in in_words(found)


def test_processes_that_were_replaced_are_counted(cut, capsys):
    assert examine(cut.path).replaced == ()
    for step, reason in ((2, "process 1 died"), (5, "process 2 \x1b[2J was killed")):
        append_line(cut.path / "events.jsonl", {"event": "restarted", "time": 0.0, "step": step, "reason": reason})
    found = examine(cut.path)
    assert [(one.step, one.reason[:9]) for one in found.replaced] == [(2, "process 1"), (5, "process 2")]
    assert in_words(found)[-2:] == [
        "processes that ended or hung, and no step was lost: 2",
        "  last, in step 5: process 2 \\x1b[2J was killed",
    ]


def test_of_stages_that_it_has_no_questions_for_it_does_not_say_that_all_is_well(place, tmp_path, capsys):  # noqa: F811
    words = ("stage=sample", "sample.problems=16", "rollout.max_tokens=40", "reward.accuracy=1.0")
    run = train(tmp_path / "sampled", place / "grpo.toml", *words)
    dropped = json.loads((run.path / "summary.json").read_text())["dropped"]
    most = max(dropped, key=lambda reason: dropped[reason])
    found = examine(run.path)
    assert found.kind == "sample" and found.steps == 8
    said = in_words(replace(found, findings=()))  # it may ask why they are all cut
    assert "no questions for what a stage 'sample' makes" in said[0]
    assert f"most were dropped as: {most} {dropped[most]}" in said[1]
    assert cli.main(["doctor", str(run.path)]) == 0
    assert "nothing is wrong" not in capsys.readouterr().out


def test_a_folder_without_a_run_and_a_run_without_steps(place, tmp_path, capsys):  # noqa: F811
    assert cli.main(["doctor", str(tmp_path)]) == 2
    assert "there is no run in" in capsys.readouterr().err
    run = train(tmp_path / "short", place / "grpo.toml", "steps=0")
    assert in_words(examine(run.path)) == [f"{run.path} has done 0 steps: the doctor looks at 8 and more"]
