"""What pages write out, against what the estimators compute."""

import re

import numpy as np
import pytest

from groupthink.advantage import ESTIMATORS, AdvantageSettings, advantage
from groupthink.recipe import load_recipe
from groupthink.records import Group, Score
from groupthink.run.rollouts import rollout_table, sampled_table
from groupthink.web.reading.arithmetic import mean_of, rewards_of, sum_of, write_out
from groupthink.web.reading.estimators import ESTIMATORS as WRITTEN
from groupthink.web.reading.rows import Rows
from groupthink.web.reading.settings import weights_of
from groupthink.web.reading.truth import holds
from groupthink.web.reading.written import Digits
from tests.web.reading.making import PROMPT, ask, encode, judge, respond, step_of


def rows_of(scores: list[list[Score]], recipe, **more) -> Rows:
    groups = [
        Group(ask(number), encode(PROMPT), tuple(respond("x" * 4) for _ in row)) for number, row in enumerate(scores)
    ]
    groups, scores, advantages_PG, batch, report, _ = step_of(groups, scores, recipe, **more)
    return Rows(rollout_table(groups, scores, advantages_PG, batch, report))


def scores_of(rewards: list[list[float]], recipe) -> list[list[Score]]:
    return [[judge({"accuracy": one}, recipe) for one in row] for row in rewards]


def recipe_of(estimator: str, size: int, *words: str):
    own = ("reward.accuracy=1.0", "reward.format=0.0", "reward.brevity=0.0", "task.problems_per_step=2")
    return load_recipe(overrides=[*own, f"advantage.estimator={estimator}", f"rollout.group_size={size}", *words])


def told(rewards: list[list[float]], estimator: str, *words: str, group: int = 0):
    recipe = recipe_of(estimator, len(rewards[0]), *words)
    return write_out(rows_of(scores_of(rewards, recipe), recipe), group, recipe)


def value_of(equation: str) -> tuple[float, float]:
    """Both sides of an equation: the left one is Python's arithmetic, but for its multiplication sign."""
    left, right = equation.rsplit(" = ", 1)
    assert re.fullmatch(r"[-+*/(). 0-9x]+", left)
    return float(eval(left.replace("x", "*"))), float(right.strip("()"))


def unit_of(equation: str) -> float:
    """What the last digit of its right side counts."""
    return 10.0 ** -len(equation.strip("()").rpartition(".")[2])


def test_the_seeds_example():
    found = told([[1.0, 0.8, 0.2], [0.5, 0.5, 0.5]], "center")
    assert found["mean"] == "(1.0 + 0.8 + 0.2) / 3 = 0.667"
    assert found["each"] == ["1.0 - 0.667 = +0.333", "0.8 - 0.667 = +0.133", "0.2 - 0.667 = -0.467"]
    assert found["why"] is None and found["notes"] == []


@pytest.mark.parametrize(
    ("estimator", "expected"),
    [
        ("standardize", ["(1.0 - 0.6667) / (0.4163 + 0.0001) = +0.800", "(0.2 - 0.6667) / (0.4163 + 0.0001) = -1.121"]),
        ("leave_one_out", ["1.0 - 0.5 = +0.500", "0.2 - 0.9 = -0.700"]),
        ("rank", ["(3 - 2) / 2 = +0.500", "(1 - 2) / 2 = -0.500"]),
        ("maxrl", ["(1.0 - 0.6667) / 0.6667 = +0.500", "(0.2 - 0.6667) / 0.6667 = -0.700"]),
        ("reward", ["1.0 = +1.000", "0.2 = +0.200"]),
    ],
)
def test_hand_worked(estimator, expected):
    each = told([[1.0, 0.8, 0.2], [0.5, 0.0, 1.0]], estimator)["each"]
    assert [each[0], each[2]] == expected


def test_pass_at_k_by_hand():
    """Two of four are wrong: one set of two in six fails; with one wrong response given, one in three."""
    found = told([[1.0, 1.0, 0.0, 0.0]] * 2, "pass_at_k", "advantage.k=2")
    assert found["each"] == ["0.1667 / 0.3727 = +0.447"] * 2 + ["(0.1667 - 0.3333) / 0.3727 = -0.447"] * 2
    assert found["notes"][0] == "share of sets that fail = C(2, 2) / C(4, 2) = 0.1667"


def test_every_estimator_is_written_out():
    assert WRITTEN.keys() == ESTIMATORS.keys()


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_it_is_what_the_estimator_computes(estimator):
    draw = np.random.default_rng(3)
    for turn in range(20):
        size = int(draw.integers(2, 9))
        rewards = draw.choice([0.0, 0.2, 0.8, 1.0, -0.5], size=(4, size)) + (turn % 3 == 0) * draw.random((4, size))
        if turn % 4 == 0:
            rewards[1] = rewards[1, 0]  # a group of equals
        recipe = recipe_of(estimator, size, f"advantage.k={max(1, size // 2)}")
        scores = scores_of(rewards.tolist(), recipe)
        expected_PG = advantage(scores, recipe.advantage, weights_of(recipe))
        rows = rows_of(scores, recipe)
        for group in range(4):
            found = write_out(rows, group, recipe)
            sides = [value_of(one) for one in found["each"]]
            np.testing.assert_allclose([right for _, right in sides], expected_PG[group], rtol=0, atol=6e-4)
            for written in [*found["each"], found["mean"]]:  # true of the figures that stand there
                left, right = value_of(written)
                assert abs(left - right) <= unit_of(written) / 2 + 1e-12, written


@pytest.mark.parametrize("estimator", ["center", "gdpo", "standardize"])
def test_of_several_parts(estimator):
    words = ("reward.accuracy=0.6", "reward.format=0.2", "reward.brevity=0.2")
    recipe = load_recipe(overrides=[*words, f"advantage.estimator={estimator}", "rollout.group_size=3"])
    one, other, third = (
        {"accuracy": 1.0, "format": 1.0, "brevity": 0.5},
        {"format": 1.0, "brevity": 0.0},
        {"format": 0.0},
    )
    parts = [[one, {"accuracy": 0.0, **other}, {"accuracy": 0.0, "brevity": None, **third}], [one] * 3]
    scores = [[judge(one, recipe) for one in row] for row in parts]
    rows = rows_of(scores, recipe)
    expected_PG = advantage(scores, recipe.advantage, weights_of(recipe))
    found = write_out(rows, 0, recipe)
    np.testing.assert_allclose([value_of(one)[1] for one in found["each"]], expected_PG[0], rtol=0, atol=6e-4)
    if estimator == "gdpo":
        assert "other" not in found["formula"] and "6 rewards of the step's 2 groups" in found["why"]
        assert "Weighed in this order: accuracy, format, brevity." in found["why"]
        assert found["notes"][0].startswith("accuracy: average 0.333")
    assert all(value_of(one)[1] == 0 for one in write_out(rows, 1, recipe)["each"])


@pytest.mark.parametrize("estimator", ["batch_std", "reinforce_pp", "whiten", "gdpo"])
def test_where_other_groups_have_a_say_it_is_said(estimator):
    assert "all 6 rewards" in told([[1.0, 0.8, 0.2], [0.5, 0.0, 1.0]], estimator)["why"]


def test_where_tokens_learn_from_another_number_it_is_said():
    found = told([[1.0, 0.0], [1.0, 1.0]], "reward", "advantage.whiten_tokens=true")
    assert found["each"] == ["1.0 = +1.000", "0.0 = +0.000"] and "over all tokens of the step" in found["why"]
    found = told([[1.0, 0.0], [1.0, 1.0]], "center", "objective.kl_place=to_go", "objective.kl=0.01")
    assert "less by 0.01 x the KL" in found["why"] and found["each"] is not None


def test_what_is_not_the_recipes_is_not_written_out():
    recipe = recipe_of("center", 2)
    rows = rows_of(scores_of([[1.0, 0.0], [1.0, 1.0]], recipe), recipe, advantages_PG=np.ones((2, 2)))
    found = write_out(rows, 0, recipe)
    assert found["each"] is None and "not what the recipe's estimator gives" in found["why"]
    assert found["mean"] == "(1.0 + 0.0) / 2 = 0.5"


def test_of_what_is_only_drawn_there_is_no_comparison():
    recipe = recipe_of("center", 2)
    groups = [Group(ask(), encode(PROMPT), (respond("x"), respond("y")))]
    rows = Rows(sampled_table(groups, scores_of([[1.0, 0.0]], recipe)))
    found = write_out(rows, 0, recipe)
    assert found["each"] is None and "not compared" in found["why"] and found["mean"] == "(1.0 + 0.0) / 2 = 0.5"


def test_a_student_is_compared_with_its_teacher():
    recipe = load_recipe(overrides=["stage=distill", "distill.teacher=nano", "rollout.group_size=2"])
    groups = [Group(ask(), encode(PROMPT), (respond("x", logprob=-0.5), respond("yz", logprob=-0.25)))]
    scores = scores_of([[1.0, 0.0]], recipe)
    advantages_PG = np.array([[-0.2, -0.45]])
    groups, scores, advantages_PG, batch, report, _ = step_of(groups, scores, recipe, advantages_PG=advantages_PG)
    found = write_out(Rows(rollout_table(groups, scores, advantages_PG, batch, report)), 0, recipe)
    assert found["each"] == ["(-0.7) - (-0.5) = -0.200", "(-0.7) - (-0.25) = -0.450"]


def test_small_differences_are_shown_with_digits_that_tell():
    found = told([[0.00010, 0.00013, 0.00010], [0.0, 0.0, 0.0]], "center")
    assert found["each"][1] == "0.00013 - 0.00011 = +0.0000200"
    assert Digits([0.3, 1e-9]).decimals == 3 and Digits([]).decimals == 3 and Digits([1e-30]).decimals == 9


def test_a_long_sum_has_its_ends():
    text = mean_of(np.arange(64) / 64, Digits([1.0]))
    assert text.startswith("(0.0 + 0.016 + ") and text.endswith(" + ... + 0.969 + 0.984) / 64 = 0.492")


def test_differences_add_up_as_they_are_shown():
    """0.984375 - 0.765625 is 0.219 to three digits, though 0.984 - 0.766 is not."""
    found = told([[0.984375, 0.984375, 0.546875, 0.546875], [0.0] * 4], "center")
    assert found["mean"] == "(0.9844 + 0.9844 + 0.5469 + 0.5469) / 4 = 0.7656"
    assert found["each"][0] == "0.9844 - 0.7656 = +0.219"


def test_a_reward_is_what_its_parts_count_for():
    parts = {"accuracy": np.array([1.0, 0.0]), "brevity": np.array([0.921875, np.nan]), "own": np.array([0.5, -1.0])}
    one, other = rewards_of(parts, {"accuracy": 0.6, "brevity": 0.2}, np.array([1.284375, -1.0]))
    assert one["parts"]["brevity"] == {"value": "0.922", "weight": "0.2", "share": "0.184"}
    assert one["parts"]["own"] == {"value": "0.5", "weight": None, "share": "0.5"} and one["reward"] == "1.284"
    assert other["parts"]["brevity"] is None and other["reward"] == "-1"
    thirds = {name: np.array([1 / 3]) for name in "abc"}
    (found,) = rewards_of(thirds, dict.fromkeys("abc", 1.0), np.array([1.0]))
    assert found["reward"] == "1" and {one["share"] for one in found["parts"].values()} == {"0.3333"}


@pytest.mark.parametrize(
    "wrong",
    ["0.984 - 0.766 = +0.219", "(1.0 + 0.4) / 2 = 0.8", "2 x (-0.5) = 1", "sqrt(0.25) = 0.6", "C(4, 2) / 2 = 2"],
)
def test_what_does_not_hold_is_noticed(wrong):
    assert not holds(wrong)
    assert holds("0.333 + 0.333 + 0.333 = 1") and not holds("0.333 + 0.333 + 0.333 = 1", decimals=3)


@pytest.mark.parametrize(
    "right", ["share = C(2, 2) / C(4, 2) = 0.167", "2 x (-0.5) = -1", "(0.1 + (-0.5)) / 2 = (-0.2)", "a = __import__"]
)
def test_what_holds_and_what_is_no_arithmetic_is_left(right):
    assert holds(right)


def test_a_reward_is_the_sum_of_its_parts():
    assert sum_of({"a": 1 / 3}, {"a": 0.2}, 0.2 / 3) == "0.2 x 0.3333 = 0.0667"
    assert sum_of({"accuracy": 0.0, "own": None}, {"accuracy": 1.0, "own": 1.0}, 0.0) == "1 x 0 = 0"
    assert sum_of({"kl": -0.5, "format": 1.0}, {"kl": 0.01, "format": 0.2}, 0.195) == "0.01 x (-0.5) + 0.2 x 1 = 0.195"
    assert sum_of({"accuracy": None}, {"accuracy": 1.0}, 0.0) == "0 = 0"


def test_settings_are_the_recipes():
    found = told([[1.0, 0.4, 0.0, 0.0]] * 2, "pass_at_k", "advantage.k=1", "advantage.threshold=0.3")
    expected = advantage(
        [[Score(one, {}) for one in (1.0, 0.4, 0.0, 0.0)]], AdvantageSettings("pass_at_k", k=1, threshold=0.3)
    )
    np.testing.assert_allclose([value_of(one)[1] for one in found["each"]], expected[0], atol=1e-3)
