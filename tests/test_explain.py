import json
from dataclasses import replace

import pytest

from groupthink import cli
from groupthink.explain import RESPONSES, explain, explanation_lines
from groupthink.model import scoring


@pytest.fixture(scope="module")
def found():
    return explain()


def test_the_figures_are_those_of_the_first_page(found):
    assert found.rewards == [1.0, 0.8, 0.2]  # exactly
    assert found.mean == pytest.approx(2 / 3)
    assert found.advantages == pytest.approx([1 / 3, 2 / 15, -7 / 15], abs=1e-6)


@pytest.mark.parametrize("learning_rate", [3e-6, 1e-5, 3e-5])
def test_an_update_raises_the_best_most_the_second_slightly_and_lowers_the_worst(learning_rate):
    found = explain(learning_rate, further=0)
    a, b, c = (after - before for before, after in zip(found.logprob_before, found.logprob_after, strict=True))
    assert a > b > 0 > c


def test_a_model_is_tried_out_once_and_not_for_every_score(monkeypatch):
    tried = []
    monkeypatch.setattr(scoring, "try_out", lambda model, _own=scoring.try_out: tried.append(model) or _own(model))
    for further in (1, 3):
        tried.clear()
        explain(further=further)
        assert len(tried) == 8  # two policies that drift, theirs and the first; those of a learner, and the references


def test_kl_holds_the_policy(found):
    assert 0 < found.kl < found.held[-1] < found.free[-1]


def test_json_is_one_object_of_these_figures(capsys, found):
    assert cli.main(["explain", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    names = ("rewards", "mean", "advantages", "logprob_before", "logprob_after", "kl")
    assert {name: printed[name] for name in names} == {name: getattr(found, name) for name in names}


def test_the_five_steps_are_told_in_order(found):
    lines = explanation_lines(found)
    assert lines[0] == "Solve x^2-5x+6=0"
    assert [line[0] for line in lines if line[:1].isdigit()] == ["1", "2", "3", "4", "5"]
    for text in RESPONSES.values():
        assert all(any(part in line for line in lines) for part in text.split("\n"))


def test_what_an_update_changes_is_the_difference_of_the_figures_as_they_are_written(found):
    before, after = [-0.123454, -0.5, -0.25], [-0.123446, -0.5, -0.25]  # of which five decimals would say 0.00000 or 1
    lines = explanation_lines(replace(found, logprob_before=before, logprob_after=after))
    assert "   A  -0.12345 -> -0.12345   +0.00001" not in lines
    assert "   A  -0.123454 -> -0.123446   +0.00001" in lines and "   B  -0.500000 -> -0.500000   +0.00000" in lines
