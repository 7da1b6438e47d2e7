import gc
import os
import signal
import sys
import threading
import time
from contextlib import nullcontext

import pytest

from groupthink import stopping
from groupthink.stopping import Stopped, finished_first, in_time, stop_was_asked, stopped_by_signals, waiting_at_most


@pytest.fixture(autouse=True)
def heard():
    """SIGINT is, where a shell that began this in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ask(number=signal.SIGTERM):
    os.kill(os.getpid(), number)
    time.sleep(0.01)


def test_a_stop_is_raised_at_once_where_nothing_is_to_be_finished():
    with pytest.raises(Stopped) as raised, stopped_by_signals():
        ask()
        pytest.fail("it went on")
    assert raised.value.code == 143 and not raised.value.torn


def test_a_stop_waits_for_what_is_finished_first():
    finished = False
    with pytest.raises(Stopped) as raised, stopped_by_signals():
        with finished_first():
            ask(signal.SIGINT)
            finished = True
        pytest.fail("it went on")
    assert finished and raised.value.code == 130 and not raised.value.torn


def test_it_does_not_wait_for_ever_and_says_that_it_waits(monkeypatch, capfd):
    monkeypatch.setattr(stopping, "PATIENCE", 0.2)
    monkeypatch.setattr(stopping, "SAME_STOP", 0.1)
    with pytest.raises(Stopped) as raised, stopped_by_signals(), finished_first():
        ask()
        threading.Event().wait(10)  # as at what another process should send
        pytest.fail("it waited")
    assert raised.value.code == 143 and raised.value.torn
    assert "ends when what is in hand is kept, within 0 seconds; at once, if asked again" in capfd.readouterr().err


def test_it_waits_for_as_long_as_it_is_told_to(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.05)
    with pytest.raises(Stopped) as raised, stopped_by_signals(), waiting_at_most(20), finished_first():
        ask()
        time.sleep(0.3)
    assert not raised.value.torn
    with pytest.raises(Stopped) as raised, stopped_by_signals(), finished_first():  # it is so inside alone
        ask()
        threading.Event().wait(10)
    assert raised.value.torn


@pytest.mark.parametrize("handled", [True, False])
def test_what_is_done_after_a_stop_is_interrupted_in_time(monkeypatch, handled):
    monkeypatch.setattr(stopping, "PATIENCE", 0.2)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), stopped_by_signals() if handled else nullcontext():
        try:
            ask(signal.SIGINT)
        except KeyboardInterrupt:
            with in_time():
                threading.Event().wait(10)
            pytest.fail("it waited")
    assert time.monotonic() - began < 5


def test_what_is_done_after_a_stop_in_time_is_left_alone(monkeypatch):
    monkeypatch.setattr(stopping, "PATIENCE", 0.2)
    with pytest.raises(Stopped), stopped_by_signals():
        try:
            ask()
        finally:
            with in_time():
                time.sleep(0.05)
            time.sleep(0.3)


def test_an_error_that_follows_a_stop_is_one():
    with pytest.raises(Stopped) as raised, stopped_by_signals(), finished_first():
        ask()
        raise OSError("its helper has been told to end, too")
    assert raised.value.torn and isinstance(raised.value.__cause__, OSError)


def test_an_error_without_a_stop_is_itself():
    with pytest.raises(OSError, match="full"), stopped_by_signals(), finished_first():
        raise OSError("full")


def test_ctrl_c_where_nobody_holds_signals_tears_what_was_to_be_finished():
    with pytest.raises(Stopped) as raised, finished_first():
        raise KeyboardInterrupt
    assert raised.value.torn and raised.value.code == 130


def test_a_stop_that_python_dropped_is_known(monkeypatch):
    class Deaf:
        def __del__(self):
            ask()

    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda it: dropped.append(it.exc_type))
    with stopped_by_signals():
        Deaf()
        gc.collect()
        assert dropped == [Stopped] and stop_was_asked()
    assert not stop_was_asked()


def test_what_was_asked_is_forgotten_with_the_signals_that_asked_it():
    with pytest.raises(Stopped), stopped_by_signals():
        ask()
    with finished_first():
        assert not stop_was_asked()
