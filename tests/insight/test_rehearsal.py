"""A step that is rehearsed: what is measured of it, and what is made of that."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from groupthink import cli
from groupthink.insight.plan.measure import Rehearsal, measure
from groupthink.insight.plan.rehearsal import lengths
from groupthink.insight.plan.rehearsal.demonstrated import _response, demonstrated
from groupthink.insight.plan.rehearsal.judged import score
from groupthink.insight.plan.rehearsal.parts import open_parts
from groupthink.insight.plan.rehearsal.rehearse import at_depth
from groupthink.insight.plan.shape import read_shape
from groupthink.model.chat import Chat
from groupthink.model.loading import weights_here
from groupthink.nano.tokenizer import build_tokenizer
from groupthink.recipe import load_recipe
from groupthink.records import Group, Problem, Score
from tests.stage.conftest import place  # noqa: F401
from tests.tiny import tiny


def test_two_depths_are_two_points_of_a_line():
    one = Rehearsal({"learn": 2.0, "sync": 1.0}, 0.5, 4.0, 1, 10.0, 20.0, False, (), 0, 0)
    three = replace(one, seconds={"learn": 4.0, "sync": 0.9}, response_seconds=0.7)
    found = at_depth(11, (1, 3), [one, three])
    assert found.seconds == pytest.approx({"learn": 12.0, "sync": 1.0}) and found.start_seconds == 4.0
    assert found.response_seconds == pytest.approx(1.5)


def drawn(*lengths, stopped):
    responses = tuple(
        replace(_response(np.arange(n)), finish="stop" if ends else "length")
        for n, ends in zip(lengths, stopped, strict=True)
    )
    return [Group(Problem("p", "t", ""), np.arange(3), responses)]


def test_the_plan_goes_by_the_responses_that_rewards_prefer():
    group = drawn(10, 40, 20, stopped=(True,) * 3) * 4
    scores = [[Score(value, {}) for value in (0.0, 1.0, 0.8)]] * 4  # 0.4 and 0.2 above the average of 0.6
    notes: list[str] = []
    assert lengths.preferred_length(group, scores, 23.3, notes) == pytest.approx((0.4 * 40 + 0.2 * 20) / 0.6)
    assert "23 tokens now" in notes[0] and "prefer 33" in notes[0]
    even = [[Score(0.5, {})] * 3] * 4
    assert lengths.preferred_length(group, even, 23.3, notes) == 23.3 and len(notes) == 1
    assert lengths.preferred_length(group[:3], scores[:3], 23.3, notes) == 23.3  # six of them say little
    assert lengths.to_their_end(group, 40) and not lengths.to_their_end(drawn(5, stopped=(False,)), 40)
    assert lengths.to_their_end(drawn(40, stopped=(False,)), 40)


def test_how_long_responses_are_where_they_were_cut_early():
    all_of_it = drawn(5, 9, stopped=(True, False))
    assert lengths.mean_length(all_of_it, 9, 9, seen=True) == (7.0, True)
    assert lengths.mean_length(all_of_it, 9, 200, seen=True) == (200.0, False)  # one end says nothing
    assert lengths.mean_length(all_of_it, 9, 9, seen=False) == (9.0, False)
    # Ends at a rate of 1/50 a token, seen up to 8 tokens.
    draws = np.random.default_rng(0).geometric(1 / 50, 5000)
    groups = drawn(*np.minimum(draws, 8), stopped=draws <= 8)
    mean, measured = lengths.mean_length(groups, 8, 200, seen=True)
    assert measured and mean == pytest.approx(np.minimum(draws, 200).mean(), rel=0.05)


@pytest.mark.usefixtures("warm_rehearsal")
def test_check_rehearses_what_a_stage_without_learning_does(place, capsys):  # noqa: F811
    words = ["stage=sample", "sample.problems=4", "sample.responses=2"]
    assert cli.main(["check", "--json", str(place / "grpo.toml"), *words]) == 0
    found = json.loads(capsys.readouterr().out)
    seconds = found["plan"]["seconds"]
    assert found["rewards"] is None and found["plan"]["staff"]["learning"] == 1
    assert seconds["generate"] > 0 and seconds["learn"] == seconds["sync"] == 0


def test_check_rehearses_a_step_in_another_process_and_tries_the_rewards(place, capsys):  # noqa: F811
    assert cli.main(["check", "--json", str(place / "grpo.toml")]) == 0
    found = json.loads(capsys.readouterr().out)
    planned, tried = found["plan"], found["rewards"]
    assert planned["notes"] == [] and planned["assumed"].startswith("the mean of responses of the model as it is now")
    assert 0 < planned["response_tokens"] <= 24
    assert all(planned["seconds"][phase] > 0 for phase in ("generate", "score", "learn", "sync", "record"))
    assert planned["step_seconds"] == pytest.approx(sum(planned["seconds"].values())) and planned["step_seconds"] < 60
    assert planned["total_seconds"] > 4 * planned["step_seconds"]
    assert tried["own"]["responses"] == 6 and tried["problems"] == 8
    assert {"empty", "the model's own"} <= {row["case"] for row in tried["rows"]}


def test_a_prompt_that_is_too_long_does_not_take_the_measurement_with_it(place, tmp_path):  # noqa: F811
    rows = [{"question": f"What is {i}?" + " Really?" * 60 * (i == 3), "answer": f"{i}"} for i in range(12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = [f"task.data={tmp_path.as_posix()}/rows.jsonl", "task.problems_per_step=8", "task.held_out=0.2"]
    notes = []
    with open_parts(load_recipe(place / "grpo.toml", words), 0, notes) as opened:
        problems = opened.task.sample(0, 24)
        assert not any("Really" in problem.prompt for problem in problems)
    assert len(notes) == 1 and notes[0].startswith("1 problems are too long for the model and are left out, such as ")


def test_demonstrations_are_as_long_as_what_is_left_to_write_of_them():
    def tokens(*words):
        chat = Chat(build_tokenizer(), load_recipe(overrides=words).chat)
        recipe = load_recipe(overrides=["stage=sft", "sft.examples_per_step=4", *words])
        load, _ = demonstrated(recipe, SimpleNamespace(chat=chat))
        return load.response

    assert tokens("chat.open_think=true") == tokens() - 1  # <think> stands in the prompt


def test_what_was_not_judged_can_be_written_down():
    groups, recipe = drawn(5, 9, stopped=(True, False)), load_recipe()
    scores, seconds = score(recipe, None, groups, 1, [])
    assert seconds == 0.0 and set(scores[0][0].parts) == set(recipe.reward.weights)


@pytest.mark.slow
def test_models_of_fewer_layers_stand_for_one_whose_weights_are_not_here(place, tmp_path):  # noqa: F811
    tiny("qwen3", num_hidden_layers=4).save_pretrained(tmp_path)
    build_tokenizer().save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    assert weights_here(str(tmp_path)) == []
    recipe = replace(load_recipe(place / "grpo.toml"), model=str(tmp_path))
    found = measure(recipe, read_shape(tmp_path), "cpu", fits=True)
    assert not found.seen and found.response == 24 and found.seconds["learn"] > 0


@pytest.mark.slow
def test_a_step_with_a_teacher_is_rehearsed(place, tmp_path):  # noqa: F811
    tiny("qwen3", num_hidden_layers=4).save_pretrained(tmp_path)
    build_tokenizer().save_pretrained(tmp_path)
    words = ["stage=distill", f"distill.teacher={tmp_path.as_posix()}"]
    recipe = load_recipe(place / "grpo.toml", words)
    shape = read_shape(recipe.model)
    assert measure(recipe, shape, "cpu", fits=True).seen
    (tmp_path / "model.safetensors").unlink()
    found = measure(recipe, shape, "cpu", fits=True)
    assert not found.seen and found.seconds["learn"] > 0
