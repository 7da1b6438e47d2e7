"""Groups here are a problem without responses: what fills a batch looks at scores alone."""

import numpy as np
import pytest

from groupthink.advantage import AdvantageSettings
from groupthink.advantage import telling as differ
from groupthink.records import Group, Problem, Score
from groupthink.stage.fill import Filling
from groupthink.task.arithmetic import Arithmetic

WANTED = 4
CENTER = AdvantageSettings("center")
EQUAL, MIXED = (0.2, 0.2, 0.2), (1.0, 0.2, 0.2)


class Attempts:
    """Gives groups whose rewards are listed, turn by turn, and notes what it was asked for."""

    def __init__(self, *turns, first=0):
        self.turns = {first + place: rewards for place, rewards in enumerate(turns)}
        self.asked = []

    def __call__(self, turn, n):
        self.asked.append((turn, n))
        groups = [Group(Problem(f"{turn}/{place}", "toy", ""), np.arange(1), ()) for place in range(n)]
        return groups, [[Score(value, {}) for value in rewards] for rewards in self.turns[turn][:n]]


def telling(scores):
    return differ(scores, CENTER)


def fill(attempt, step, *, wanted, rounds, telling=telling):
    """As a stage does it; the filling, when nothing is missing any more."""
    filling = Filling(step, wanted=wanted, rounds=rounds, telling=telling)
    while filling.missing:
        filling.add(*attempt(filling.turn, filling.missing))
    return filling


def told(filling):
    figures = filling.figures()
    return tuple(figures[f"problems/{name}"] for name in ("rounds", "dead", "thrown_away"))


def names(filling):
    return [group.problem.id for group in filling.kept()[0]]


def test_one_round_is_a_step_without_dynamic_sampling():
    attempts = Attempts([MIXED, EQUAL, MIXED, EQUAL], first=7)
    filled = fill(attempts, 7, wanted=WANTED, rounds=1)
    assert attempts.asked == [(7, WANTED)]
    assert names(filled) == ["7/0", "7/1", "7/2", "7/3"]
    assert told(filled) == (1, 2, 0)


def test_a_batch_that_tells_is_not_drawn_again():
    attempts = Attempts([MIXED] * 4, first=15)
    filled = fill(attempts, 5, wanted=WANTED, rounds=3)
    assert attempts.asked == [(15, WANTED)] and names(filled) == ["15/0", "15/1", "15/2", "15/3"]
    assert told(filled) == (1, 0, 0)


def test_what_is_missing_is_drawn_until_the_batch_is_full():
    """One of four tells, so the three missing would take twelve: no more than four are drawn at a time."""
    attempts = Attempts([EQUAL, MIXED, EQUAL, EQUAL], [MIXED, EQUAL, EQUAL, MIXED], [MIXED, MIXED, EQUAL], first=10)
    filled = fill(attempts, 2, wanted=WANTED, rounds=5)
    assert attempts.asked == [(10, 4), (11, 4), (12, 3)]  # then three of eight do, and one is missing: 8/3
    assert names(filled) == ["10/1", "11/0", "11/3", "12/0"]
    assert [[score.value for score in group] for group in filled.kept()[1]] == [list(MIXED)] * 4
    assert told(filled) == (3, 0, 7)


def test_when_the_rounds_are_used_up_dead_groups_make_up_the_number():
    attempts = Attempts([EQUAL] * 4, [EQUAL, EQUAL, MIXED, EQUAL])
    filled = fill(attempts, 0, wanted=WANTED, rounds=2)
    assert names(filled) == ["0/0", "0/1", "0/2", "1/2"]
    assert telling(filled.kept()[1]) == [False, False, False, True]
    assert told(filled) == (2, 3, 4)


def test_no_problem_is_drawn_twice_in_a_run():
    """With a task whose problems are a function of the turn, over all rounds of all steps."""
    task, drawn = Arithmetic(), []

    def attempt(turn, n):
        problems = task.sample(turn, WANTED)[:n]
        drawn.extend(problem.id for problem in problems)
        groups = [Group(problem, np.arange(1), ()) for problem in problems]
        return groups, [[Score(float(place == 0), {}), Score(0.0, {})] for place in range(n)]

    for step in range(5):
        assert fill(attempt, step, wanted=WANTED, rounds=3).done == 3
    assert len(drawn) == len(set(drawn)) == 5 * 3 * WANTED


@pytest.mark.parametrize(("estimator", "live"), [("center", [True, True]), ("pass_at_k", [True, False])])
def test_the_estimator_says_what_tells(estimator, live):
    """Of (1, 1, 0) every two pass: for pass_at_k it is as good as solved."""
    settings = AdvantageSettings(estimator, k=2)
    filled = fill(
        Attempts([(1.0, 1.0, 0.0), MIXED]), 0, wanted=2, rounds=1, telling=lambda scores: differ(scores, settings)
    )
    assert told(filled) == (1, live.count(False), 0)


@pytest.mark.parametrize(("wanted", "rounds"), [(0, 1), (1, 0)])
def test_nothing_from_nothing_is_refused(wanted, rounds):
    with pytest.raises(ValueError, match="ask for at least 1 of each"):
        fill(Attempts(), 0, wanted=wanted, rounds=rounds)
