"""How long a program may take with all of its tests. Without a sandbox: what is run here is the tests' own."""

import asyncio
import dataclasses
import re
import time

import pytest

from groupthink.records import Problem
from groupthink.reward import code
from groupthink.reward.code import Programs, right_programs
from groupthink.reward.functions import Noted
from groupthink.reward.judge import Judge
from groupthink.reward.sandbox import Confinement
from groupthink.reward.settings import RewardSettings
from groupthink.reward.unit_tests import read_tests
from groupthink.task.quadratics import Quadratics

PAIRS = [[str(n), str(2 * n)] for n in range(1, 9)]
TWICE = "n = int(input())\nprint(2 * n)"


def read(info):
    tests = read_tests(Problem("p", "p", "?", info=info))
    assert tests is not None
    return tests


def tried(program, info, every=True, **limits):
    where = Confinement(sandbox="none", **{"seconds": 1} | limits)
    return asyncio.run(Programs(where).tried(program, read(info), every=every))


@pytest.mark.fault("F20")
@pytest.mark.parametrize("hang", ["while True: pass", "import time; time.sleep(1000)"])
def test_a_program_that_hangs_costs_its_time_once(hang):
    began = time.monotonic()
    found = tried(f"n = int(input())\nif n == 3:\n    {hang}\nprint(2 * n)", {"tests": PAIRS})
    took = time.monotonic() - began
    assert found.passed == (True, True, *[False] * 6)
    assert found.note == "its time was over at input 3 of 8, and the rest counts as failed"
    assert took < 1.5 * Confinement(seconds=1).patience  # the patience is there for those that wait, not compute


def test_all_inputs_together_have_a_bound(monkeypatch):
    monkeypatch.setattr(code, "IN_ALL", 0.2)  # of 5 seconds
    found = tried(f"import time\ntime.sleep(0.4)\n{TWICE}", {"tests": PAIRS})
    assert 1 <= sum(found.passed) <= 3 and len(found.passed) == 8
    assert re.fullmatch(r"inputs 1 to \d of 8 took \d s, and the rest counts as failed", found.note)


def test_a_program_that_fails_at_once_is_tried_with_every_input():
    found = tried("n = int(input())\nassert n != 2\nprint(2 * n)", {"tests": PAIRS})
    assert found.passed == (True, False, *[True] * 6)
    assert tried(TWICE, {"tests": PAIRS}).note == ""


def test_where_all_or_nothing_counts_the_first_failure_is_the_last_test():
    began = time.monotonic()
    found = tried("import time\ntime.sleep(0.3)\nprint(0)", {"tests": PAIRS}, every=False)
    assert found.passed == (False,) * 8 and time.monotonic() - began < 2


def test_calls_that_hang_are_noted_too():
    info = {"tests": ["assert f(1) == 2", "assert f(2) == 4", "assert f(3) == 6"]}
    found = tried("def f(n):\n    while n == 2: pass\n    return 2 * n", info)
    assert found.passed[0] and not any(found.passed[1:])
    assert found.note == "its time was over before all tests were done"


def test_the_note_of_a_score_says_that_time_was_over(group, respond):
    async def reward(of):
        return [0.5, Noted(0.25, "its time was over"), None]

    judge = Judge(RewardSettings(), Quadratics())
    judge._functions, judge.weights = {"code": reward}, {**judge.weights, "code": 1.0}
    [scores] = judge.score([group])
    assert [score.parts["code"] for score in scores] == [0.5, 0.25, None]
    assert [score.note for score in scores][:2] == ["right roots", "right roots; code: its time was over"]
    assert scores[1].value == pytest.approx(1.05)


def test_programs_that_are_the_same_are_run_once(monkeypatch):
    begun = []
    output_of = code.output_of

    async def counted(*asked):
        begun.append(asked)
        return await output_of(*asked)

    monkeypatch.setattr(code, "output_of", counted)
    tests = read({"tests": PAIRS[:2]})
    other = dataclasses.replace(tests, pairs=tests.pairs[:1])
    asked = [(TWICE, tests), ("print(1)", tests), (TWICE, tests), ("print(2)", other)]
    found = right_programs(asked, Confinement(sandbox="none"))
    assert found == {(TWICE, tests): True, ("print(1)", tests): False, ("print(2)", other): True}
    assert len(begun) == 4  # two inputs, one that fails, one
