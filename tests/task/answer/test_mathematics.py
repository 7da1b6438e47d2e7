"""The rule `math`: math-verify in processes that are killed when they are late."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from groupthink.task.answer.mathematics import MathRule, unreasonable

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def rule():
    rule = MathRule(processes=2)
    yield rule
    rule.close()


@pytest.fixture(scope="module")
def bench_cases():
    spec = importlib.util.spec_from_file_location("verify_cases", REPOSITORY / "bench" / "verify_cases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["verify_cases"] = module  # where its dataclass looks for it
    spec.loader.exec_module(module)
    return module


def test_golds_and_their_rewritings_are_right_and_wrong_ones_wrong(rule, bench_cases):
    """A small part of bench/verify.py: every kind once."""
    cases = [case for case in bench_cases.cases(25) if case.rule == "math"]
    assert len({case.kind for case in cases}) == 15
    pairs = [(case.gold, text) for case in cases for text in (case.gold, *case.rewritings[::2])]
    refused = [pair for pair, verdict in zip(pairs, rule.many(pairs), strict=True) if not verdict.right]
    wrong = [(case.gold, case.wrong) for case in cases]
    accepted = [pair for pair, verdict in zip(wrong, rule.many(wrong), strict=True) if verdict.right]
    assert not refused and not accepted


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("x=2, x=3", "x=3, x=2"),
        ("p - q", "-q+p"),
        ("(5,\\infty)", "x>5"),
        ("x=5", "5"),
        ("y=2x+3", "2x+3"),
        ("\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix}", "\\begin{pmatrix}1&2\\\\3&4\\end{pmatrix}"),
        ("\\frac{1}{2}\\ln 3", "\\ln\\sqrt{3}"),
        ("\\text{(E)}", "E"),
        ("5", "The value is $2+3=5$."),
        ("7", "**Final answer**\n$$\\boxed{7}$$"),
    ],
)
def test_equal_answers(rule, expected, text):
    assert rule(expected, text).right


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("x=2, x=3", "x=3"),  # math-verify alone reads `x=2, x=3` without dollars as 3
        ("5", "5 or 6"),
        ("5", "x>4"),
        ("5", "5 \\ne 6"),
        ("5", "\\boxed{5} or \\boxed{6}"),
        ("x>3", "x\\ge 3"),
        ("[2,3]", "(2,3)"),
        ("(1,2)", "(2,1)"),
        ("2", "\\pm 2"),
        ("5", "NaN"),
        ("5", "0/0"),
        ("10101_2", "10101"),
    ],
)
def test_answers_that_are_not_equal(rule, expected, text):
    assert not rule(expected, text).right


@pytest.mark.fault("F20")
def test_a_late_comparison_is_killed_and_the_pool_recovers():
    rule = MathRule(seconds=1.0, processes=1)
    assert not rule("\\sqrt{2}", "\\sqrt{3}").right  # its process has started
    begun = time.monotonic()
    verdict = rule("9", "((9!)!)!")
    assert not verdict.right and "not compared within 1 s" in verdict.note
    assert time.monotonic() - begun < 20  # a limit of 1 s, on a machine that may be busy
    assert "ended" not in rule("3\\sqrt{2}", "\\sqrt{18}+0").note and rule._pool._free.qsize() == 1
    rule.close()


@pytest.mark.parametrize(
    "tower", ["9^9^9^9", "9^{9^{9^9}}", "99999^{99999}", "7^{8^{9}}", "\\sqrt{" * 50 + "2" + "}" * 50]
)
def test_towers_are_refused_at_once(rule, tower):
    begun = time.monotonic()
    assert not rule("9", tower).right
    assert time.monotonic() - begun < 0.5 and unreasonable(tower)


def test_honest_powers_are_not(rule):
    assert not unreasonable("2^{10^{3}}") and not unreasonable("2^{2023}")
    assert rule("1024", "2^{10}").right


def test_any_thread_may_ask(rule):
    found = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(rule(f"{n}\\sqrt{{3}}", f"\\sqrt{{{3 * n * n}}}").right))
        for n in range(2, 8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 6


@pytest.mark.fault("S1")
def test_code_in_an_answer_is_never_evaluated(rule, tmp_path):
    owned = tmp_path / "owned"
    for code in (
        f"__import__('os').system('touch {owned}')",
        f"\\boxed{{open('{owned}','w')}}",
        f'exec(\'open("{owned}","w")\')',
    ):
        assert not rule("5", code).right
    assert not owned.exists()


def test_strange_characters_are_wrong_and_no_crash(rule):
    for text in ("\ud800", "\x00", "\\boxed{\ud800\x00}", "\u202e5\u202c6", ""):
        assert not rule("\\sqrt{5}", text).right


SCRIPT = """\
import sys, time
from groupthink.task.answer import open_rule
rule = open_rule("math")
assert rule("3\\\\sqrt{2}", "\\\\sqrt{18}").right
print(*[worker._process.pid for worker in rule._pool._begun], flush=True)
exec(sys.argv[1])
"""


@pytest.mark.parametrize("end", ["raise KeyboardInterrupt", "time.sleep(60)"])
def test_nothing_is_left_behind(end):
    """Whether the process is interrupted, or is killed where nothing can be tidied up."""
    asked = [sys.executable, "-c", SCRIPT, end]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env) as process:
        workers = [int(word) for word in process.stdout.readline().split()]
        if "sleep" in end:
            process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert workers
    until = time.monotonic() + 5
    while any(map(alive, workers)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, workers))


def alive(pid: int) -> bool:
    """Also False for one that is dead and that nobody has asked after."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_a_closed_rule_says_so():
    rule = MathRule()
    rule.close()
    with pytest.raises(RuntimeError, match="closed"):
        rule("\\sqrt{18}", "3\\sqrt{2}")
