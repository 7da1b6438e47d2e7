import asyncio
import dataclasses
import json
import time

import pytest

from groupthink.records import Problem
from groupthink.reward.code import CodeReward, last_program, same_output
from groupthink.reward.functions import value_of
from groupthink.reward.judge import Judge
from groupthink.reward.sandbox import Confinement, require_sandbox
from groupthink.reward.settings import RewardSettings
from groupthink.reward.unit_tests import read_tests
from groupthink.task import program_tests
from groupthink.task.quadratics import Quadratics
from tests.reward.sandboxed import needs_bubblewrap

pytestmark = needs_bubblewrap

MBPP = {
    "test_list": ["assert largest([1, 5, 2]) == 5", "assert largest([-1]) == -1", "assert largest([2, 2]) == 2"],
    "test_imports": ["import math"],
}
HUMAN_EVAL = {
    "entry_point": "find_zero",
    "prompt": "import math\n\ndef poly(xs, x):\n    return sum(c * x ** i for i, c in enumerate(xs))\n\n"
    'def find_zero(xs):\n    """A zero of a linear polynomial."""\n',
    "test": "METADATA = {}\n\ndef check(candidate):\n    for xs in ([1, 2], [-6, 3]):\n"
    "        assert math.fabs(poly(xs, candidate(list(xs)))) < 1e-4\n",
}
APPS = {"input_output": json.dumps({"inputs": ["2 3\n", "5 5\n"], "outputs": ["5\n", "10\n"]})}
CALLS = {"tests": {"fn_name": "pairs", "inputs": [[[1, 2]], [[]]], "outputs": [[[[1, 2]]], [[]]]}}


@pytest.fixture
def graded(group, respond):
    """What programs, as the answers of a group, are worth."""

    def grade(info, *programs, partial=True, **limits):
        texts = [f"<think>hm</think>Here:\n```python\n{program}\n```\nIt works." for program in programs]
        problem = dataclasses.replace(group.problem, info=info)
        asked = dataclasses.replace(group, problem=problem, responses=tuple(map(respond, texts)))
        return list(map(value_of, asyncio.run(CodeReward(Confinement(**limits), partial=partial)(asked))))

    return grade


def test_assertions_of_mbpp(graded):
    right, wrong = "def largest(xs):\n    return max(xs)", "def largest(xs):\n    return max(xs) if xs[0] > 0 else 0"
    assert graded(MBPP, right, wrong, "def other(): pass", "def largest(xs) return") == [1.0, 2 / 3, 0.0, 0.0]
    assert graded(MBPP, right, wrong, partial=False) == [1.0, 0.0]


def test_check_of_human_eval_with_the_helpers_of_its_prompt(graded):
    body = "def find_zero(xs):\n    return -xs[0] / xs[1]"
    assert graded(HUMAN_EVAL, body, HUMAN_EVAL["prompt"] + "    return -xs[0] / xs[1]", "x = 1") == [1.0, 1.0, 0.0]
    # The tests use the helper of the prompt, whatever the program calls by its name.
    assert graded(HUMAN_EVAL, "def poly(xs, x):\n    return 0\n\ndef find_zero(xs):\n    return 7") == [0.0]


def test_the_prompt_may_be_the_problem_s_own(graded, group):
    info = {name: value for name, value in HUMAN_EVAL.items() if name != "prompt"}
    fake, right = (
        "def poly(xs, x):\n    return 0\n\ndef find_zero(xs):\n    return 7",
        "def find_zero(xs):\n    return 2",
    )
    asked = dataclasses.replace(group.problem, prompt=HUMAN_EVAL["prompt"])
    assert read_tests(dataclasses.replace(asked, info=info)).setup.strip() == HUMAN_EVAL["prompt"].strip()
    assert read_tests(dataclasses.replace(asked, info=info, prompt="Write def find_zero(xs), please.")).setup == ""
    assert graded({"entry_point": "find_zero", "tests": ["assert candidate([-2, 1]) == 2"]}, fake, right) == [0.0, 1.0]


def test_input_and_output_of_apps(graded):
    programs = [
        "a, b = map(int, input().split())\nprint(a + b, '\\n')",
        "import sys\n\ndef main():\n    print(sum(map(int, sys.stdin.read().split())))\n\n"
        "if __name__ == '__main__':\n    main()",
        "print(5)",
        "print(5 if input() == '2 3' else 10)\nraise SystemExit(3)",
    ]
    assert graded(APPS, *programs) == [1.0, 1.0, 0.5, 0.0]
    assert graded(APPS, *programs, partial=False) == [1.0, 1.0, 0.0, 0.0]


def test_pairs_as_a_list(graded):
    info = {"tests": [{"input": "1", "output": "1"}, ["2", "4"]]}
    assert graded(info, "print(int(input()) ** 2)", "print(input())") == [1.0, 0.5]


def test_calls_of_apps_with_a_function_or_the_class_of_leetcode(graded):
    function = "def pairs(xs):\n    return [(a, b) for a, b in zip(xs, xs[1:])]"
    method = "class Solution:\n    def pairs(self, xs):\n        return [[a, b] for a, b in zip(xs, xs[1:])]"
    assert graded(CALLS, function, method, "def pairs(xs): return []") == [1.0, 1.0, 0.5]


def test_calls_as_a_task_reads_them_from_a_data_set(graded):
    apps = {"input_output": '{"fn_name": "add", "inputs": [[1, 2], [2, 2]], "outputs": [3, 4]}'}
    add, sums = "def add(a, b):\n    return a + b", "def add(a, b):\n    return 3"
    assert graded({"tests": program_tests.read_tests(apps)}, add, sums) == [1.0, 0.5]
    case = {"input": "[1, 2]\n3", "output": "[4, 5]", "testtype": "functional"}
    live = {"public_test_cases": json.dumps([case]), "metadata": '{"func_name": "shifted"}'}
    shifted = "class Solution:\n    def shifted(self, xs, by):\n        return [x + by for x in xs]"
    assert graded({"tests": program_tests.read_tests(live)}, shifted) == [1.0]
    endless = {"fn_name": "top", "inputs": [[1]], "outputs": [float("inf")]}
    assert graded({"input_output": endless}, "def top(n):\n    return float('inf')") == [1.0]


KOD_CODE = {"test": "from solution import f\n\ndef test_one():\n    assert f(1) == 2\n"}
CASES = [{"input": "[1]", "output": "2", "testtype": "functional"}]
LIVE = {"public_test_cases": json.dumps(CASES), "private_test_cases": CASES, "metadata": '{"func_name": "f"}'}
SUMS = {"tests": [{"input": "1", "output": "1"}, ["2", "4"]]}


@pytest.mark.parametrize("row", [MBPP, HUMAN_EVAL, APPS, CALLS, KOD_CODE, LIVE, SUMS])
def test_a_row_and_what_a_task_makes_of_it_have_the_same_tests(group, row):
    others = {name: held for name, held in row.items() if name not in program_tests.COLUMNS}
    info = json.loads(json.dumps({**others, "tests": program_tests.read_tests(row)}))
    of_the_row, of_the_task = (read_tests(dataclasses.replace(group.problem, info=held)) for held in (row, info))
    assert of_the_row == of_the_task is not None


@pytest.mark.parametrize(
    "test", ["assert all(map(lambda n: f(n) == 7, [1, 2]))", "for v in map(f, [1, 2]):\n    assert v == 7"]
)
def test_what_ends_a_loop_of_the_tests_is_no_answer(graded, test):
    assert graded({"tests": [test]}, "def f(n):\n    raise StopIteration", "def f(n):\n    return 7") == [0.0, 1.0]


def test_fences_without_end_are_read_in_no_time():
    begun = time.monotonic()
    assert last_program("```python\nx\n" * 20_000) is None
    assert time.monotonic() - begun < 2


def test_what_tests_do_with_results(graded):
    tests = [
        "assert set(f(3)) == {0, 1, 2}",
        "assert list(g(2)) == [0, 1]",
        "xs = [3, 1]\nassert h(xs) is None and xs == [1, 3]",
        "assert P(1, 2).total() == 3",
        "assert far(P(1, 2), 1) == 4",
        "assert abs(third() - 1 / 3) < 1e-9",
        "try:\n    bad()\nexcept ZeroDivisionError:\n    pass\nelse:\n    raise AssertionError",
        "assert tuple_of() == (1, 'a', None, {'k': (1, 2)}, frozenset({2}), b'z')",
        "assert big() == 7 ** 9000",
        "assert scalars() == (3, 0.5, True)",
    ]
    program = """
from collections import Counter
from dataclasses import dataclass

def f(n): return tuple(range(n))
def g(n): yield from range(n)
def h(xs): xs.sort()
@dataclass
class P:
    a: int
    b: int
    def total(self): return self.a + self.b
def far(p, more): return p.total() + more
def third(): return 1 / 3
def bad(): return 1 // 0
def tuple_of(): return (1, "a", None, {"k": (1, 2)}, frozenset({2}), b"z")
def big(): return 7 ** 9000
def scalars():
    import numpy as np
    return np.int64(3), np.float32(0.5), np.bool_(True)
"""
    assert graded({"tests": tests}, program) == [1.0]


def test_functions_as_for_pytest_are_tests(graded):
    code = (
        "import math\nfrom solution import area\n\ndef test_one():\n    assert math.isclose(area(1), math.pi)\n\n"
        "def test_none():\n    assert area(0) == 0\n\nassert area(2) > area(1)\n"
    )
    programs = ["from math import pi\ndef area(r):\n    return pi * r * r", "def area(r):\n    return r"]
    assert graded({"tests": code}, *programs) == [1.0, 2 / 3]


IN_ORDER = """\
from solution import Stack, twice

x = twice(2)
assert x == 4
x = twice(3)
assert x == 6

stack = Stack()
stack.push(1)
assert stack.pop() == 1
assert stack.empty()

for n in (5, 6):
    assert twice(n) == 2 * n

def helper(n):
    return twice(n) + 1

assert helper(1) == 3
twice(-1)
"""
STACK = """\
class Stack:
    def __init__(self): self.xs = []
    def push(self, x): self.xs.append(x)
    def pop(self): return self.xs.pop()
    def empty(self): return not self.xs
"""


def test_what_stands_before_an_assertion_is_what_it_begins_with(graded):
    right = f"{STACK}\ndef twice(n):\n    return 2 * n"
    small = f"{STACK}\ndef twice(n):\n    return 2 * n if n < 5 else 0"
    picky = f"{STACK}\ndef twice(n):\n    assert n > 0\n    return 2 * n"
    assert graded({"tests": IN_ORDER}, right, small, picky) == [1.0, 5 / 6, 5 / 6]


def test_what_is_tested_in_a_file_and_what_is_not():
    def tests_of(code):
        return read_tests(Problem("p", "p", "?", info={"tests": code})).tests

    assert tests_of("x = 1\nassert f(x)\ny = 2\nassert f(y)") == ("x = 1\nassert f(x)", "y = 2\nassert f(y)")
    assert tests_of("def test_a():\n    assert f(1)\n\nassert f(2)\nz = 3") == (
        "def test_a():\n    assert f(1)\nassert f(2)",
        "z = 3\ntest_a()",
    )
    assert tests_of("assert f(1)\nif __name__ == '__main__':\n    assert f(2)") == (
        "assert f(1)\nif __name__ == '__main__':\n    assert f(2)",
    )
    with pytest.raises(ValueError, match="empty list of tests"):
        tests_of("if __name__ == '__main__':\n    assert f(2)")


def test_a_helper_of_the_tests_is_not_the_program_s(graded):
    """This one fails before it is defined, and brings its own."""
    code = "x = f(0)\ndef fine(value):\n    return value == 7\nassert fine(x)\nassert fine(f(1))"
    fake = "def fine(value):\n    return True\n\ndef f(n):\n    return 1 // n"
    assert graded({"tests": code}, fake, "def f(n):\n    return 7") == [0.0, 1.0]


def test_a_function_may_be_named_as_a_built_in_is(graded):
    assert graded({"tests": ["assert sum(10, 15) == 6"]}, "def sum(a, b):\n    return 6") == [1.0]


def test_a_problem_without_tests_does_not_count(graded):
    assert graded({}, "print(1)") == [None]


def test_an_answer_without_a_program_is_worth_nothing(group, respond):
    problem = dataclasses.replace(group.problem, info=APPS)
    texts = ["<think>```python\nprint(5)\n```</think>5", "<think>```python\nprint(5)\n```", "print(5)"]
    asked = dataclasses.replace(group, problem=problem, responses=tuple(map(respond, texts)))
    assert asyncio.run(CodeReward(Confinement(), partial=True)(asked)) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    "info",
    [{"tests": "def check(f): pass"}, {"tests": ["assert ("]}, {"tests": []}, {"tests": 3}, {"tests": {"in": []}}],
)
def test_tests_that_cannot_be_read_name_the_problem(graded, info):
    with pytest.raises(ValueError, match="problem quadratics/0/0"):
        graded(info, "x = 1")


def test_the_last_block_of_python():
    fenced = "```python\na\n```\n```text\nb\n```\n  ```py\nc\n  ```\n```\nd\n```"
    assert last_program(fenced) == "c\n"
    assert last_program("```\na\n```") == "a\n"
    assert last_program("```python\nnever closed") is None
    assert last_program("```python title=x\nx = '''\n```'''\n```") == "x = '''\n```'''\n"


def test_outputs_differ_by_more_than_blanks():
    assert same_output("1 2 \n3\n\n", "1 2\n3")
    assert not same_output("1 2 3", "1 2\n3") and not same_output("1  2", "1 2") and not same_output("", "0")


def test_the_judge_weighs_it_and_leaves_it_out_by_default(group, respond):
    text = "<think>hm</think>```python\nprint(sum(map(int, input().split())))\n```"
    problem = dataclasses.replace(group.problem, info=APPS)
    asked = dataclasses.replace(group, problem=problem, responses=(respond(text), respond(text + "\n(x=1)")))
    [scores] = Judge(RewardSettings(code=2.0, format=0.0), Quadratics()).score([asked])
    assert [score.value for score in scores] == [2.0, 2.0] and scores[0].parts["code"] == 1.0
    assert "code" not in RewardSettings().weights


@pytest.mark.fault("S2")
def test_without_bubblewrap_it_is_refused_and_not_run_bare(monkeypatch, graded):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match="there is no bwrap: install it"):
        CodeReward(Confinement())
    require_sandbox("none")
    assert graded(MBPP, "def largest(xs):\n    return max(xs)", sandbox="none") == [1.0]
    assert graded(APPS, "print(sum(map(int, input().split())))", "while True: pass", sandbox="none", seconds=1) == [
        1.0,
        0.0,
    ]
