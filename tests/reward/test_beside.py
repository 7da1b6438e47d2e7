"""What waits is timed in a loop of its own; plain functions run in the thread that asks, one at a time."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from groupthink.reward.beside import here, run_beside
from groupthink.reward.functions import as_reward
from groupthink.reward.judge import Judge
from groupthink.reward.settings import RewardSettings
from groupthink.task.answer import open_rule

HANGING = """\
import asyncio, signal, sys, time
from groupthink import cli
from groupthink.cli import explain
from groupthink.reward.beside import here, run_beside

def hang():
    print("hanging", flush=True)
    {how}

async def both():
    try:
        await asyncio.gather(here(hang), asyncio.sleep(1000))
    finally:
        print("ended", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
explain.explain = lambda args: run_beside(both)
sys.exit(cli.main(["explain"]))
"""
"""A command line whose one verb calls a function that hangs, while its loop waits for something else."""


def together(group, *functions):
    """What several functions give for a group, asked at the same time as the judge asks them."""

    async def ask():
        return await asyncio.gather(*(as_reward(function, "my.py:f")(group) for function in functions))

    return run_beside(ask)


def test_a_function_that_computes_takes_no_time_from_what_is_waited_for(group):
    def slow(group):
        time.sleep(0.6)
        return [1.0, 2.0, 3.0]

    async def timed(group):
        began = time.monotonic()
        await asyncio.sleep(0.05)
        return [time.monotonic() - began] * 3

    values, waited = together(group, slow, timed)
    assert values == [1.0, 2.0, 3.0] and max(waited) < 0.4


def test_plain_functions_are_called_here_one_at_a_time_and_their_values_stay_in_order(group):
    inside, threads = [], set()

    def reward(problem, response):
        threads.add(threading.current_thread())
        inside.append(response)
        time.sleep(0.01)
        assert len(inside) == 1, "another call has begun meanwhile"
        inside.clear()
        return len(response)

    assert together(group, reward, reward) == [[40.0, 200.0, 40.0]] * 2
    assert threads == {threading.current_thread()}  # where alarms are, and where Ctrl-C arrives


def test_a_plain_function_may_give_what_is_to_be_awaited(group):
    async def wait(response):
        await asyncio.sleep(0)
        return len(response)

    assert together(group, lambda problem, response: wait(response)) == [[40.0, 200.0, 40.0]]


def test_what_is_async_does_not_wait_for_its_turn_among_plain_functions(group):
    begun = threading.Event()

    async def at_once(problem, response):
        begun.set()
        return 1.0

    class AtOnce:
        async def __call__(self, problem, response):
            return await at_once(problem, response)

    for function in (at_once, AtOnce()):
        begun.clear()
        values, _ = together(group, lambda group: [float(begun.wait(10))] * 3, function)
        assert values == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("kind", "seen"), [(KeyError, KeyError), (StopIteration, RuntimeError)])
def test_what_fails_is_raised_and_what_nobody_waits_for_any_more_is_not_called(kind, seen):
    called = []

    def fail():
        raise kind("mine")

    def other():
        called.append(other)
        time.sleep(0.05)

    async def ask():
        await asyncio.gather(*map(here, (fail, *[other] * 50)))

    with pytest.raises(seen):
        run_beside(ask)
    assert len(called) < 10


def test_without_anyone_who_waits_a_function_is_called_at_once():
    assert asyncio.run(here(lambda: threading.current_thread())) is threading.current_thread()


def in_a_loop():
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def test_votes_are_counted_while_nothing_is_timed(respond, group):
    """By a rule that may take seconds, as that of mathematics does."""
    seen = []

    class Task:
        def __init__(self):
            self.rule = open_rule("number")

        def rule_of(self, problem):
            return self

        def __call__(self, expected, text):
            seen.append(in_a_loop())
            return self.rule(expected, text)

        def many(self, pairs):
            return [self(*pair) for pair in pairs]

    async def reward(group):
        return [1.0] * 3

    judge = Judge(RewardSettings(majority=1.0), Task())
    judge._functions = {"asked": as_reward(reward, "asked")}
    judge.weights = {**judge.weights, "asked": 1.0}
    [scores] = judge.score([group])
    assert len(scores) == 3 and set(seen) == {False}


@pytest.mark.fault("F20")
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("how", ["time.sleep(1000)", "while True: pass"])
def test_a_function_that_hangs_does_not_keep_a_signal_from_ending_the_process(number, how):
    process = subprocess.Popen([sys.executable, "-c", HANGING.format(how=how)], stdout=-1, stderr=-1, text=True)
    assert process.stdout is not None and process.stdout.readline() == "hanging\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (128 + number, "ended\n", "groupthink: stopped\n")
