"""Waits on somebody who never answers come to an end, and the error says who it was."""

import asyncio
import os
import signal
import time

import pytest

from groupthink import processes
from groupthink.records import Group, Problem
from groupthink.reward.functions import as_reward
from groupthink.reward.settings import RewardSettings
from groupthink.task.answer import pool
from groupthink.task.aside import Aside, Failed
from groupthink.web.chat.models import Models
from groupthink.web.reading.places import Places

LONG = "x" * 4_000_000
"""More than a pipe holds."""


async def never(group):
    await asyncio.Event().wait()


def own_timeout(group):
    raise TimeoutError("of its own")


def test_an_async_reward_that_never_answers_is_named():
    group = Group(Problem(id="p/7", task="t", prompt="?", answer=None, info={}), (), ())
    reward = as_reward(never, "my.py:never", 0.05)
    for _ in range(2):
        assert asyncio.run(reward(group)) == []
    with pytest.raises(TimeoutError, match=r"within 0.05 s \(reward.patience\)") as late:
        asyncio.run(reward(group))
    assert "my.py:never of the responses to p/7" in late.value.__notes__[0]
    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(as_reward(own_timeout, "my.py:f", 60.0)(group))
    with pytest.raises(ValueError, match=r"reward\.patience is 0"):
        RewardSettings(patience=0.0)


def stopped(connection, *_):
    """Takes nothing and says nothing."""
    os.kill(os.getpid(), signal.SIGSTOP)


def test_half_a_message_is_not_waited_for():
    process, connection = processes.begin("stopped", stopped)
    try:
        processes.limit(connection, 0.2)
        began = time.monotonic()
        with pytest.raises(BlockingIOError):
            connection.send(LONG)
        assert time.monotonic() - began < 20
    finally:
        processes.end(process, connection)
    assert not process.is_alive()


def test_a_call_of_a_stopped_process_fails_in_time():
    aside = Aside(0.3, opening=30.0)
    assert aside.call(os.getpid) == aside._process.pid
    os.kill(aside._process.pid, signal.SIGSTOP)
    with pytest.raises(Failed, match=r"took more than 0.3 s"):
        aside.send(len, LONG)
    assert not aside.alive


def test_a_pool_without_a_free_worker_says_so(monkeypatch):
    monkeypatch.setattr(pool, "STARTING", 0.0)
    waiting = pool.Pool(2, 0.005)
    waiting._free.get(), waiting._free.get()
    with pytest.raises(RuntimeError, match=r"none of the 2 processes that compare answers was free within 0\.05 s"):
        waiting.ask("1", "2")
    waiting.close()


def test_models_that_are_asked_for_ever_are_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr("groupthink.web.chat.models.PATIENCE", 0.05)
    monkeypatch.setattr("groupthink.web.chat.models.MOST", 0)

    async def ask():
        await Models(Places(tmp_path))._make_room({("nano", None)})

    with pytest.raises(RuntimeError, match="were all being asked for 0 s: ask again later"):
        asyncio.run(ask())


def test_a_model_that_never_opens_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("groupthink.web.chat.models.OPENING", 0.05)
    monkeypatch.setattr("groupthink.web.chat.models._open", lambda place: time.sleep(0.5))
    with pytest.raises(RuntimeError, match="the model in nano could not be opened within 0 s"):
        asyncio.run(Models(Places(tmp_path))._opened("nano"))
